using Mamba.Models.Gguf;
using Mamba.Tests.Checkpoints;
using static Mamba.Tests.Gguf.GgufBytes;

namespace Mamba.Tests.Gguf;

/// <summary>The container: keys, tensors, split files, and files that lie.</summary>
public sealed class GgufFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new(inMemory: true);

    public static TheoryData<string, byte[], string> Broken
    {
        get
        {
            byte[] right = Small().Make();
            GgufBytes Key(uint type, params byte[] value) => new GgufBytes().Key("k", type, value);
            byte[] One(uint type, ulong[] sizes, int bytes, ulong? offset = null) =>
                new GgufBytes().Tensor("x", type, sizes, new byte[bytes], offset).Make();
            return new()
            {
                { "nothing", [], "*empty file*" },
                { "magic", [.. "GGML"u8, .. right[4..]], "*begins with \"GGUF\"*47 47 4d 4c*" },
                { "pickle", [0x80, 2, .. right], "*begins with \"GGUF\"*80 02 47 47*" },
                { "version 1", new GgufBytes { Version = 1 }.Make(), "*version 2 or 3; found 1.*" },
                { "big-endian", new GgufBytes { Version = 3 << 24 }.Make(), "*found 50331648. The file is big*" },
                { "header", right[..20], "*number of keys at byte 16; found 4*" },
                { "keys", new GgufBytes { ClaimedKeys = 1ul << 61 }.Make(), "*65536 keys*2305843009213693952*" },
                { "tensors", new GgufBytes { ClaimedTensors = ulong.MaxValue }.Make(), "*at most 1048576 tensors*" },
                { "a key more", new GgufBytes { ClaimedKeys = 1 }.Make(), "*name of key 0 at byte 24; found 0*" },
                { "key without name", new GgufBytes().Key("", 1u).Make(), "*key 0: expected a name*" },
                { "key twice", new GgufBytes().Key("k", 1u).Key("k", 2u).Make(), "*one key \"k\"; found two*" },
                { "type", Key(13).Make(), "*\"k\"*from 0 to 12; found 13*" },
                { "text", Key(8, BitConverter.GetBytes(ulong.MaxValue)).Make(), "*18446744073709551615 bytes*\"k\"*" },
                { "list", Key(9, List(0, 1L << 40)).Make(), "*\"k\"*at most 0 items*1099511627776*" },
                { "long list", Key(9, List(4, 1L << 62)).Make(), "*\"k\"*at most 0 items*4611686018427387904*" },
                { "list of lists", Key(9, List(9, 0)).Make(), "*\"k\"*a list of lists*" },
                { "list of type", Key(9, List(77, 0)).Make(), "*\"k\"*from 0 to 12; found 77*" },
                {
                    "alignment", new GgufBytes().Key("general.alignment", 24u).Make(),
                    "*general.alignment*power of two; found 24*"
                },
                { "no axes", One(0, [], 4), "*\"x\"*1 to 4 axes; found 0*" },
                { "5 axes", One(0, [1, 1, 1, 1, 1], 4), "*\"x\"*1 to 4 axes; found 5*" },
                { "size 0", One(0, [0], 4), "*\"x\"*sizes from 1*" },
                { "overflow", One(0, [1ul << 32, 1ul << 32], 4), "*\"x\"*2^60 elements*" },
                { "type 99", One(99, [1], 4), "*\"x\"*supported; found 99 (unknown)*" },
                { "integers", One(26, [1], 4), "*\"x\"*supported; found 26 (I32)*" },
                { "removed", One(4, [32], 18), "*\"x\"*Q4_2, which was removed*" },
                { "block", One(8, [8], 34), "*\"x\"*multiple of 32 elements, a block of Q8_0; found 8*" },
                { "misaligned", One(0, [1], 64, offset: 4), "*\"x\"*multiple of 32 bytes; found 4*" },
                { "beyond", One(0, [1], 4, offset: 32), "*\"x\"*4 bytes from byte 32*found 4 bytes*" },
                { "wraps", One(0, [1], 4, offset: ulong.MaxValue - 31), "*\"x\"*found 4 bytes of data*" },
                { "cut", right[..^1], "*\"b\"*bytes of data*downloaded as a whole*" },
                {
                    "overlap", Small().Tensor("c", 0, [1], new byte[4], offset: 0).Make(),
                    "*at or after the end of*overlap*"
                },
                { "twice", Small().Tensor("a", [1], 1f).Make(), "*one tensor \"a\"; found two*" },
                { "nameless", new GgufBytes().Tensor("", [1], 1f).Make(), "*tensor 0: expected a name*" },
                { "long name", new GgufBytes().Tensor(new string('x', 64), [1], 1f).Make(), "*63 bytes*of 64*" },
                { "pointer", "version https://git-lfs.github.com/spec/v1"u8.ToArray(), "*Git-LFS*" },
            };
        }
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Broken))]
    public void A_file_that_lies_is_refused_with_one_message(string what, byte[] content, string message)
    {
        string path = _folder.Write("x.gguf", content);
        long before = GC.GetAllocatedBytesForCurrentThread();

        Action open = () => GgufFile.Open(path).Dispose();

        open.Should().Throw<InvalidDataException>(what).WithMessage(message).WithMessage("*x.gguf*");
        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(1 << 20, what);
    }

    [Theory]
    [InlineData(2u, 32)]
    [InlineData(3u, 32)]
    [InlineData(3u, 64)]
    [InlineData(3u, 8)]
    public void Tensors_have_the_shapes_of_this_library(uint version, int alignment)
    {
        GgufBytes bytes = new() { Version = version, Alignment = alignment };
        bytes.Key("general.alignment", (uint)alignment).Tensor("x", [3, 2, 1], 1f, 2f, 3f, 4f, 5f, 6f);
        using GgufFile file = Open(bytes.Make());

        float[] middle = new float[3];
        file.ReadRange("x", 2, middle);

        file.Tensors["x"].Shape.ToArray().Should().Equal(2, 3);
        file.Tensors["x"].Type.Should().Be(GgufType.F32);
        middle.Should().Equal(3f, 4f, 5f);
    }

    [Fact]
    public void Keys_of_every_type_are_read()
    {
        GgufBytes bytes = new GgufBytes()
            .Key("u8", 0, 200).Key("i8", 1, 200).Key("u16", 2, 0, 128).Key("i16", 3, 0, 128).Key("u32", uint.MaxValue)
            .Key("i32", 5, BitConverter.GetBytes(-5)).Key("f32", 0.5f).Key("yes", 7, 1).Key("no", 7, 0)
            .Key("text", "a\0ü").Key("texts", "x", "", "yz").Key("none", 9, List(8, 0))
            .Key("u64", 10, BitConverter.GetBytes(1L << 40)).Key("i64", 11, BitConverter.GetBytes(-1L))
            .Key("f64", 12, BitConverter.GetBytes(0.1))
            .Key("list", 9, [.. List(3, 2), 0, 128, 1, 0])
            .Key("numbers", 9, [.. List(6, 1), .. BitConverter.GetBytes(2f)]);
        using GgufFile file = Open(bytes.Make());

        GgufKeys keys = file.Keys;

        keys.Names.Should().HaveCount(17).And.StartWith("u8");
        string[] names = ["u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64"];
        names.Select(keys.Integer).Should().Equal(200, -56, 32768, -32768, uint.MaxValue, -5, 1L << 40, -1);
        (keys.Number("f32"), keys.Number("f64")).Should().Be((0.5, 0.1));
        (keys.Flag("yes"), keys.Flag("no"), keys.Flag("absent")).Should().Be((true, false, null));
        keys.Text("text").Should().Be("a\0ü");
        keys.Texts("texts").Should().Equal("x", "", "yz");
        keys.Texts("none").Should().BeEmpty();
        keys.IntegerList("list").Should().Equal(-32768, 1);
        keys.NumberList("numbers").Should().Equal(2);
        keys.Describe("texts").Should().Be("[\"x\", \"\", \"yz\"]");
        keys.Describe("u64").Should().Be("1099511627776");
    }

    [Fact]
    public void A_value_of_another_type_is_refused_by_name()
    {
        using GgufFile file = Open(new GgufBytes().Key("k", "text").Key("n", 10, BitConverter.GetBytes(-1L)).Make());

        Action integer = () => file.Keys.Integer("k");
        Action texts = () => file.Keys.Texts("k");
        Action large = () => file.Keys.Integer("n");

        integer.Should().Throw<InvalidDataException>().WithMessage("*\"k\": expected an integer; found*of Text.");
        texts.Should().Throw<InvalidDataException>().WithMessage("*\"k\": expected a list of texts*");
        large.Should().Throw<InvalidDataException>().WithMessage("*\"n\": expected an integer below 2^63*");
    }

    [Fact]
    public void A_split_model_is_one()
    {
        WriteParts(2, (i, bytes) => bytes.Tensor($"t{i}", [1], i));
        using GgufFile file = GgufFile.Open(_folder["m-00001-of-00002.gguf"]);

        float[] second = new float[1];
        file.Read("t1", second);

        file.Tensors.Keys.Should().Equal("t0", "t1");
        second.Should().Equal(1f);
    }

    [Theory]
    [InlineData("missing", "*split over 2 files; found no \"m-00002-of-00002.gguf\"*")]
    [InlineData("second", "*\"split.no\": expected 0 in this file; found 1: open the first file of the model.")]
    [InlineData("name", "*expected a file called NAME-00001-of-00002.gguf; found other.gguf*")]
    [InlineData("twice", "*m-00002-of-00002.gguf: expected one tensor \"t0\" in all files*")]
    [InlineData("order", "*m-00002-of-00002.gguf: \"split.no\": expected 1 in this file; found 0*")]
    [InlineData("count", "*m-00002-of-00002.gguf: \"split.count\": expected 2 as in the first file; found 3*")]
    [InlineData("tensors", "*\"split.tensors.count\": expected the 2 tensors*found 3*")]
    public void A_split_model_that_is_not_whole_is_refused(string what, string message)
    {
        WriteParts(
            2,
            (i, bytes) => bytes.Tensor(what == "twice" ? "t0" : $"t{i}", [1], i),
            no: i => what == "order" ? 0u : (uint)i,
            count: i => what == "count" ? (uint)(2 + i) : 2u,
            tensors: what == "tensors" ? 3u : 2u);
        string first = what == "second" ? "m-00002-of-00002.gguf" : "m-00001-of-00002.gguf";
        if (what == "missing")
        {
            File.Delete(_folder["m-00002-of-00002.gguf"]);
        }
        else if (what == "name")
        {
            File.Move(_folder[first], _folder["other.gguf"]);
            first = "other.gguf";
        }

        Action open = () => GgufFile.Open(_folder[first]).Dispose();

        open.Should().Throw<InvalidDataException>().WithMessage(message);
    }

    [Fact]
    public void A_part_beyond_a_tensor_is_refused()
    {
        using GgufFile file = Open(Small().Make());

        Action beyond = () => file.ReadRange("b", 1, new float[2]);
        Action bytes = () => file.ReadBytes("b", 5, new byte[4]);
        Action unknown = () => file.Read("c", new float[1]);

        beyond.Should().Throw<ArgumentException>().WithMessage("*\"b\" is F32 [2], 2 elements*2 from element 1*");
        bytes.Should().Throw<ArgumentException>().WithMessage("*\"b\" has 8 bytes*");
        unknown.Should().Throw<InvalidDataException>().WithMessage("*a tensor \"c\"; found none*");
    }

    private static GgufBytes Small() => new GgufBytes().Key("k", 1u).Tensor("a", [1], 1f).Tensor("b", [2], 2f, 3f);

    private GgufFile Open(byte[] content) => GgufFile.Open(_folder.Write("x.gguf", content));

    private void WriteParts(
        int parts, Action<int, GgufBytes> add, Func<int, uint>? no = null, Func<int, uint>? count = null,
        uint tensors = 2)
    {
        for (int i = 0; i < parts; i++)
        {
            GgufBytes bytes = new GgufBytes()
                .Key("split.no", no?.Invoke(i) ?? (uint)i).Key("split.count", count?.Invoke(i) ?? (uint)parts)
                .Key("split.tensors.count", tensors);
            add(i, bytes);
            _folder.Write($"m-{i + 1:d5}-of-{parts:d5}.gguf", bytes.Make());
        }
    }
}
