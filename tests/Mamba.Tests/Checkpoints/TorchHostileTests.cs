using System.Buffers.Binary;
using System.IO.Compression;
using CsCheck;
using Mamba.Models.Checkpoints;
using static Mamba.Tests.Checkpoints.SafetensorsBytes;

namespace Mamba.Tests.Checkpoints;

public sealed class TorchHostileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>Views over a storage of 6 floats: offset, sizes, strides.</summary>
    public static TheoryData<long, long[], long[], string> LyingViews => new()
    {
        { 1, [6], [1], "*within 6 elements*offset 1*" },
        { 0, [7], [1], "*within 6 elements*sizes [7]*" },
        { -1, [2], [1], "*nothing negative*offset -1*" },
        { 0, [-2], [1], "*nothing negative*sizes [-2]*" },
        { 5, [2], [-1], "*nothing negative*strides [-1]*" },
        { 0, [2, 3], [1], "*stride for each size*" },
        { 0, [2, 3], [4, 1], "*within 6 elements*strides [4, 1]*" },
        { 0, [1_000_000_000_000], [0], "*within 6 elements*" }, // one element, a million million times
        { 0, [4294967296, 4294967296], [0, 0], "*within 6 elements*" },
        { 0, [2], [long.MaxValue], "*within 6 elements*" },
        { long.MaxValue, [1], [1], "*within 6 elements*" },
        { long.MaxValue - 5, [6], [1], "*within 6 elements*" },
        { 4611686018427387904, [1], [1], "*within 6 elements*" }, // times 4 bytes: 0, if it wrapped around
    };

    public static TheoryData<string, byte[], string> HostilePickles => new()
    {
        { "os.system", new PickleBuilder().Global("os", "system").Text("echo").Raw(0x85).Op('R').Bytes(), "*\"os.system\"*not allowed*" },
        { "eval", new PickleBuilder().Global("builtins", "eval").Text("1").Raw(0x85).Op('R').Bytes(), "*\"builtins.eval\"*not allowed*" },
        { "protocol 4", new PickleBuilder().Text("posix").Text("system").Raw(0x93).Bytes(), "*\"posix.system\"*not allowed*" },
        { "torch.load", new PickleBuilder().Global("torch", "load").Bytes(), "*\"torch.load\"*not allowed*" },
        { "sub-attribute", new PickleBuilder().Global("collections", "OrderedDict.get").Bytes(), "*not allowed*" },
        { "load from bytes", new PickleBuilder().Global("torch.storage", "_load_from_bytes").Bytes(), "*_load_from_bytes*not allowed*" },
        { "INST", new PickleBuilder().Op('(').Text("ls").Raw("ios\nsystem\n"u8).Bytes(), "*opcode 0x69 'i'*" },
        { "OBJ", new PickleBuilder().Op('(').Global("collections", "OrderedDict").Op('o').Bytes(), "*opcode 0x6f 'o'*" },
        { "NEWOBJ", new PickleBuilder().Global("collections", "OrderedDict").Op(')').Raw(0x81).Bytes(), "*opcode 0x81*" },
        { "EXT1", new PickleBuilder().Raw(0x82, 1).Bytes(), "*opcode 0x82*" },
        { "PERSID", new PickleBuilder().Raw("Pabc\n"u8).Bytes(), "*opcode 0x50 'P'*" },
        { "unknown opcode", new PickleBuilder().Raw(0xFF).Bytes(), "*byte 2*opcode 0xff*" },
        { "call of a number", new PickleBuilder().Integer(5).Op(')').Op('R').Bytes(), "*the integer 5 called with a tuple of 0*" },
        { "call with no tuple", new PickleBuilder().Global("collections", "OrderedDict").Op('}').Op('R').Bytes(), "*called with a dictionary*" },
        { "dictionary of items", new PickleBuilder().Global("collections", "OrderedDict").Op(']').Raw(0x85).Op('R').Bytes(), "*tuple of 1*" },
        { "tensor of nothing", new PickleBuilder().Global("torch._utils", "_rebuild_tensor_v2").Op(')').Op('R').Bytes(), "*tuple of 0*" },
        { "parameter of text", new PickleBuilder().Global("torch._utils", "_rebuild_parameter").Text("x").Raw(0x88, 0x88, 0x87).Op('R').Bytes(), "*tuple of 3*" },
        { "BUILD on a tensor", new PickleBuilder().Tensor(p => p.Storage("FloatStorage", "0", 6), 0, [6], [1]).Op('}').Op('b').Bytes(), "*dictionary to give attributes to*" },
        { "id of text", new PickleBuilder().Text("x").Op('Q').Bytes(), "*id of a storage*\"x\"*" },
        { "id of another kind", new PickleBuilder().Op('(').Text("module").Global("torch", "FloatStorage").Text("0").Text("cpu").Integer(6).Op('t').Op('Q').Bytes(), "*tuple of 5*" },
        { "unknown storage type", new PickleBuilder().Storage("QInt8Storage", "0", 6).Bytes(), "*torch.QInt8Storage*not allowed*" },
        { "missing storage", new PickleBuilder().Storage("FloatStorage", "9", 6).Bytes(), "*\"archive/data/9\"*none*" },
        { "storage outside", new PickleBuilder().Storage("FloatStorage", "../data.pkl", 6).Bytes(), "*\"archive/data/../data.pkl\"*none*" },
        { "storage too long", new PickleBuilder().Storage("FloatStorage", "0", 7).Bytes(), "*7 elements F32*24 bytes*" },
        { "storage too short", new PickleBuilder().Storage("FloatStorage", "0", 5).Bytes(), "*5 elements F32*24 bytes*" },
        { "storage of another type", new PickleBuilder().Storage("DoubleStorage", "0", 6).Bytes(), "*6 elements F64*24 bytes*" },
        { "storage of 2^62 elements", new PickleBuilder().Storage("FloatStorage", "0", (1L << 62) + 6).Bytes(), "*elements F32*24 bytes*" },
        { "storage of fewer than none", new PickleBuilder().Storage("FloatStorage", "0", -6).Bytes(), "*-6 elements*" },
        { "sizes of text", new PickleBuilder().Global("torch._utils", "_rebuild_tensor_v2").Op('(').Storage("FloatStorage", "0", 6).Integer(0).Text("a").Raw(0x85).Integers(1).Raw(0x89).Op('}').Op('t').Op('R').Bytes(), "*expected integers*\"a\"*" },
        { "text of 4 GB", new PickleBuilder().Raw((byte)'X', 0xFF, 0xFF, 0xFF, 0xFF).Bytes(), "*4294967295 more bytes*found 1*" },
        { "text of 2^63 bytes", new PickleBuilder().Raw(0x8d, 0, 0, 0, 0, 0, 0, 0, 0x80).Bytes(), "*9223372036854775808 more bytes*" },
        { "text that is no UTF-8", new PickleBuilder().Raw((byte)'X', 1, 0, 0, 0, 0xFF).Bytes(), "*UTF-8*" },
        { "integer of 255 bytes", new PickleBuilder().Raw(0x8a, 255).Raw(new byte[255]).Bytes(), "*integer of up to 8 bytes; found 255*" },
        { "memo far ahead", new PickleBuilder().Op('}').Raw((byte)'r', 0xFF, 0xFF, 0xFF, 0x7F).Bytes(), "*memo index up to 0; found 2147483647*" },
        { "memo of nothing", new PickleBuilder().Op('q').Raw(0).Bytes(), "*value on the stack; found none*" },
        { "memo not noted", new PickleBuilder().Op('h').Raw(3).Bytes(), "*memo index below 0; found 3*" },
        { "stack that is empty", new PickleBuilder().Bytes(), "*value on the stack; found none*" },
        { "pop below a mark", new PickleBuilder().Op('}').Op('(').Op('N').Op('N').Op('s').Op('s').Bytes(), "*value on the stack; found none*" },
        { "no mark", new PickleBuilder().Op('t').Bytes(), "*mark on the stack*" },
        { "items of a number", new PickleBuilder().Integer(1).Op('(').Op('u').Bytes(), "*a dictionary; found the integer 1*" },
        { "items of a dictionary", new PickleBuilder().Op('}').Op('N').Op('a').Bytes(), "*a list; found a dictionary*" },
        { "odd items", new PickleBuilder().Op('}').Op('(').Text("x").Op('u').Bytes(), "*pairs; found 1*" },
        { "key that is no text", new PickleBuilder().Op('}').Integer(1).Op('N').Op('s').Bytes(), "*text; found the integer 1*" },
        { "key twice", new PickleBuilder().Op('}').Op('(').Text("x").Op('N').Text("x").Op('N').Op('u').Bytes(), "*\"x\" twice*" },
        { "two values at the end", new PickleBuilder().Op('}').Op('}').Bytes(), "*one value on the stack and no mark; found 2 and 0*" },
        { "mark at the end", new PickleBuilder().Op('(').Op('}').Bytes(), "*one value on the stack and no mark; found 1 and 1*" },
        { "line without end", new PickleBuilder().Raw("cos"u8).Bytes(), "*end of a line*" },
        { "new protocol", new PickleBuilder().Raw(0x80, 6).Bytes(), "*protocol up to 5; found 6*" },
        { "list at the top", new PickleBuilder().Op(']').Bytes(), "*dictionary of tensors*" },
        { "value that is no tensor", new PickleBuilder().Begin().Text("epoch").Integer(3).End(), "*\"epoch\"*tensor*the integer 3*" },
        { "nested dictionary", new PickleBuilder().Begin().Text("state_dict").Op('}').End(), "*\"state_dict\"*tensor*a dictionary*" },
        { "a list that holds itself", new PickleBuilder().Begin().Text("x").Op(']').Op('q').Raw(0).Op('h').Raw(0).Op('a').End(), "*\"x\"*a list*" },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(HostilePickles))]
    public void A_hostile_pickle_is_refused_by_name_and_nothing_runs(string what, byte[] pickle, string message)
    {
        byte[] archive = TorchArchive.Make(pickle, new() { ["0"] = new byte[24] });

        ShouldBeRefused(archive, message, what);
    }

    [Theory]
    [MemberData(nameof(LyingViews))]
    public void A_view_that_leaves_its_storage_is_refused(long offset, long[] sizes, long[] strides, string message)
    {
        byte[] pickle = new PickleBuilder().Begin()
            .Text("x").Tensor(p => p.Storage("FloatStorage", "0", 6), offset, sizes, strides).End();
        byte[] archive = TorchArchive.Make(pickle, new() { ["0"] = new byte[24] });

        ShouldBeRefused(archive, message, "view");
    }

    [Theory]
    [InlineData('(')]
    [InlineData(']')]
    [InlineData('}')]
    [InlineData(')')]
    public void Deep_nesting_overflows_nothing(char opcode)
    {
        byte[] nested = new byte[1_000_000];
        nested.AsSpan().Fill((byte)opcode);

        ShouldBeRefused(TorchArchive.Make(new PickleBuilder().Raw(nested).Bytes(), []), "*data.pkl*", "nesting");
    }

    [Fact]
    public void A_million_tuples_within_each_other_overflow_nothing()
    {
        byte[] nested = new byte[1_000_000];
        nested.AsSpan().Fill(0x85);

        ShouldBeRefused(TorchArchive.Make(new PickleBuilder().Op('N').Raw(nested).Bytes(), []), "*dictionary*", "nesting");
    }

    [Fact]
    public void Memo_that_doubles_with_each_step_stays_small()
    {
        // Each tuple holds the last one twice: 2^100 leaves if it were unfolded.
        PickleBuilder pickle = new PickleBuilder().Op('(').Op(')').Op('q').Raw(0);
        for (byte i = 0; i < 100; i++)
        {
            pickle.Op('h').Raw(i).Op('h').Raw(i).Raw(0x86).Op('q').Raw((byte)(i + 1));
        }

        ShouldBeRefused(TorchArchive.Make(pickle.Op('t').Bytes(), []), "*dictionary of tensors*", "memo");
    }

    [Fact]
    public void Old_formats_are_refused_with_a_word_on_how_to_convert()
    {
        ShouldBeRefused([0x80, 2, 0x8a, 10, 0x6c, 0xfc], "*bare pickle*torch.save(torch.load(*", "before 1.6");
        ShouldBeRefused([1, 2, 3], "*another format*torch.save(torch.load(*", "no checkpoint");
    }

    [Theory]
    [InlineData("archive/data/0")]
    [InlineData("data.pkl")]
    [InlineData("a/b/data.pkl")]
    public void An_archive_without_a_pickle_in_its_folder_is_refused(string name) =>
        ShouldBeRefused(TorchArchive.Zip(new() { [name] = [1] }), "*one data.pkl*found 0*", name);

    [Fact]
    public void An_archive_of_two_pickles_is_refused() =>
        ShouldBeRefused(TorchArchive.Zip(new() { ["a/data.pkl"] = [1], ["b/data.pkl"] = [1] }), "*one data.pkl*found 2*", "two");

    [Fact]
    public void Big_endian_numbers_are_refused() => ShouldBeRefused(
        TorchArchive.Zip(new() { ["a/data.pkl"] = [1], ["a/byteorder"] = "big"u8.ToArray() }), "*little-endian*", "byte order");

    [Fact]
    public void A_pickle_above_the_limit_is_refused_before_it_is_inflated()
    {
        byte[] archive = TorchArchive.Make(new byte[(4 << 20) + 1], [], compression: CompressionLevel.Fastest);

        ShouldBeRefused(archive, "*data.pkl*at most 4194304*found 4194305*", "long pickle");
    }

    [Fact]
    public void An_archive_cut_short_anywhere_is_refused()
    {
        byte[] archive = Valid(CompressionLevel.NoCompression);

        for (int length = 0; length < archive.Length; length += 7)
        {
            ShouldBeRefused(archive[..length], "*", $"cut to {length}");
        }
    }

    [Theory]
    [InlineData(20, 0xFFFF_FFFE, "*")] // a stored length of 4 GB
    [InlineData(24, 0xFFFF_FFFE, "*its 24 bytes can hold*4294967294*")] // a length of 4 GB
    [InlineData(24, 0xFFFF_FFFF, "*64-bit sizes*none*")]
    [InlineData(24, 23, "*its 24 bytes can hold*23*")]
    [InlineData(42, 0xFFFF_FFF0, "*before byte*4294967280*")] // a place behind the file
    [InlineData(42, 1, "*a header of*at byte 1*")]
    [InlineData(42, 0, "*a header of*at byte 0*")] // the pickle's place
    [InlineData(8, 1, "*not encrypted*")]
    [InlineData(10, 12, "*stored or deflated*")]
    public void A_directory_that_lies_about_a_storage_is_refused(int field, uint value, string message)
    {
        byte[] archive = Valid(CompressionLevel.NoCompression);
        int record = archive.AsSpan().LastIndexOf("archive/data/0"u8) - 46;
        Span<byte> at = archive.AsSpan(record + field);
        if (field is 8 or 10)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(at, (ushort)value);
        }
        else
        {
            BinaryPrimitives.WriteUInt32LittleEndian(at, value);
        }

        ShouldBeRefused(archive, message, $"field {field}");
    }

    [Theory]
    [InlineData(10, 9, "*9 entries*found 3*")]
    [InlineData(10, 0xFFFF, "*zip64*")]
    [InlineData(12, 0xFFFF, "*directory within*")]
    [InlineData(14, 0x7FFF, "*directory within*")]
    [InlineData(16, 0, "*entry of the directory*")]
    public void An_end_record_that_lies_is_refused(int field, ushort value, string message)
    {
        byte[] archive = Valid(CompressionLevel.NoCompression);
        BinaryPrimitives.WriteUInt16LittleEndian(archive.AsSpan(archive.Length - 22 + field), value);

        ShouldBeRefused(archive, message, $"field {field}");
    }

    [Theory]
    [InlineData(-22 - 20 + 8, "*zip64*none*")] // where the 64-bit record is said to be
    [InlineData(-22 - 20 - 56 + 32, "*entries*found 2*")]
    [InlineData(-22 - 20 - 56 + 40, "*directory within*")]
    [InlineData(-22 - 20 - 56 + 48, "*directory within*")]
    public void A_64_bit_record_that_lies_is_refused(int place, string message)
    {
        byte[] archive = TorchArchive.Zip64(new() { ["a/data.pkl"] = [1], ["a/data/0"] = new byte[24] });
        BinaryPrimitives.WriteUInt64LittleEndian(archive.AsSpan(archive.Length + place), ulong.MaxValue - 3);

        ShouldBeRefused(archive, message, $"{place}");
    }

    [Fact]
    public void Entries_that_share_their_bytes_are_refused()
    {
        byte[] archive = TorchArchive.Zip(new() { ["a/data.pkl"] = [1], ["a/data/0"] = new byte[24], ["a/data/1"] = new byte[24] });
        Span<byte> bytes = archive;
        int first = bytes.LastIndexOf("a/data/0"u8) - 46, second = bytes.LastIndexOf("a/data/1"u8) - 46;
        bytes.Slice(first + 42, 4).CopyTo(bytes[(second + 42)..]);

        ShouldBeRefused(archive, "*overlap*", "overlap");
    }

    [Fact]
    public void Two_entries_of_one_name_are_refused()
    {
        byte[] archive = TorchArchive.Zip(new() { ["a/data.pkl"] = [1], ["a/data/0"] = [1], ["a/data/1"] = [2] });
        archive[archive.AsSpan().LastIndexOf("a/data/1"u8) + 7] = (byte)'0';

        ShouldBeRefused(archive, "*one entry \"a/data/0\"*two*", "names");
    }

    [Theory]
    [InlineData(23, "*23 bytes*more*")]
    [InlineData(25, "*25 bytes*found 24*")]
    public void A_compressed_storage_of_another_length_is_refused_when_it_is_read(uint length, string message)
    {
        byte[] archive = Valid(CompressionLevel.Optimal);
        int record = archive.AsSpan().LastIndexOf("archive/data/0"u8) - 46;
        BinaryPrimitives.WriteUInt32LittleEndian(archive.AsSpan(record + 24), length);
        MappedFile mapped = MappedFile.Open(_folder.Write("x.bin", archive));
        ZipDirectory directory = ZipDirectory.Read(mapped);

        Action borrow = () => directory.Borrow(directory.Entries["archive/data/0"]).Dispose();

        borrow.Should().Throw<InvalidDataException>().WithMessage(message).WithMessage("*x.bin*archive/data/0*");
        mapped.Dispose();
    }

    [Fact]
    public void A_compressed_length_that_deflate_cannot_reach_is_refused_at_once()
    {
        byte[] archive = Valid(CompressionLevel.Optimal);
        int record = archive.AsSpan().LastIndexOf("archive/data/0"u8) - 46;
        BinaryPrimitives.WriteUInt32LittleEndian(archive.AsSpan(record + 24), 2_147_483_648);

        ShouldBeRefused(archive, "*can hold*2147483648*", "2 GB in a few bytes");
    }

    [Theory]
    [InlineData(CompressionLevel.NoCompression)]
    [InlineData(CompressionLevel.Optimal)]
    public void Any_damage_gives_a_file_that_is_read_or_refused_and_nothing_else(CompressionLevel compression)
    {
        byte[] whole = Valid(compression);

        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Byte).Array[1, 4].Sample(
            damages =>
            {
                byte[] damaged = [.. whole];
                foreach ((int at, byte value) in damages)
                {
                    damaged[at] = value;
                }

                string path = _folder.Write($"{Guid.NewGuid()}.bin", damaged);
                try
                {
                    using TorchFile file = TorchFile.Open(path);
                    foreach (TensorInfo info in file.Tensors.Values.Where(info => info.Type.IsFloat()))
                    {
                        file.Read(info.Name, new float[info.Count]);
                    }
                }
                catch (InvalidDataException e)
                {
                    e.Message.Should().Contain(path);
                }
            },
            iter: 500,
            seed: "0000000000001");
    }

    /// <summary>An archive of one tensor [6].</summary>
    private static byte[] Valid(CompressionLevel compression)
    {
        byte[] pickle = new PickleBuilder().Begin()
            .Text("x").Tensor(p => p.Storage("FloatStorage", "0", 6), 0, [2, 3], [3, 1]).End();
        return TorchArchive.Make(pickle, new() { ["0"] = Bytes(1f, 2, 3, 4, 5, 6) }, compression: compression);
    }

    private void ShouldBeRefused(byte[] content, string message, string because)
    {
        string path = _folder.Write("hostile.bin", content);

        Action open = () => TorchFile.Open(path);

        open.Should().Throw<InvalidDataException>(because).WithMessage(message, because).WithMessage("*hostile.bin*");
        using FileStream free = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None); // nobody holds it open
    }
}
