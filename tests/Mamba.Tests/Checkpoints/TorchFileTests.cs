using System.IO.Compression;
using System.Text;
using Mamba.Checkpoints;
using Mamba.Models.Checkpoints;
using static Mamba.Tests.Checkpoints.SafetensorsBytes;

namespace Mamba.Tests.Checkpoints;

public sealed class TorchFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(CompressionLevel.NoCompression)]
    [InlineData(CompressionLevel.Fastest)]
    public void A_pickle_of_PyTorch_itself_is_read(CompressionLevel compression)
    {
        // Written by torch.save; its storages, too long for a test's data, are filled in by number and place here.
        byte[] pickle = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Golden", "mamba2_state_dict.pkl"));
        int[] layer = [64, 8, 8, 8, 25088, 1024, 256, 128, 8192];
        int[] counts = [6656, .. layer, .. layer, .. layer, 64];
        Dictionary<string, byte[]> storages = Enumerable.Range(0, counts.Length).ToDictionary(
            key => $"{key}", key => Bytes(Enumerable.Range(0, counts[key]).Select(i => key + (i / 65536f)).ToArray()));

        using TorchFile file = Open(TorchArchive.Make(pickle, storages, "pytorch_model", compression));

        file.Tensors.Should().HaveCount(30);
        file.Tensors["lm_head.weight"].ToString().Should().Be("F32 [104, 64]");
        file.Tensors["backbone.layers.1.mixer.in_proj.weight"].ToString().Should().Be("F32 [392, 64]");
        file.Tensors["backbone.layers.2.mixer.conv1d.weight"].ToString().Should().Be("F32 [256, 1, 4]");
        Read(file, "lm_head.weight").ShouldHaveTheBitsOf(Read(file, "backbone.embedding.weight"), "the tied head");
        Read(file, "backbone.norm_f.weight").Should().Equal(Enumerable.Range(0, 64).Select(i => 28 + (i / 65536f)));
        Read(file, "backbone.layers.1.mixer.dt_bias")[7].Should().Be(11 + (7 / 65536f));
    }

    [Fact]
    public void Every_float_type_is_read_and_integers_are_listed()
    {
        float[] values = [1, -2.5f, 0.75f];
        byte[] pickle = Tensors(
            ("f64", "DoubleStorage"), ("f32", "FloatStorage"), ("f16", "HalfStorage"), ("bf16", "BFloat16Storage"),
            ("i64", "LongStorage"), ("i32", "IntStorage"));
        using TorchFile file = Open(TorchArchive.Make(pickle, new()
        {
            ["f64"] = Bytes(Array.ConvertAll(values, value => (double)value)),
            ["f32"] = Bytes(values),
            ["f16"] = Bytes(Array.ConvertAll(values, value => (Half)value)),
            ["bf16"] = Bytes(Array.ConvertAll(values, value => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16))),
            ["i64"] = new byte[24],
            ["i32"] = new byte[12],
        }));

        foreach (string name in new[] { "f64", "f32", "f16", "bf16" })
        {
            Read(file, name).Should().Equal(values, "{0} holds them exactly", name);
        }

        file.Tensors["i64"].Type.Should().Be(ElementType.I64);
        file.Tensors["i32"].Type.Should().Be(ElementType.I32);
        Action read = () => Read(file, "i64");
        read.Should().Throw<InvalidDataException>().WithMessage("*model.bin*\"i64\"*F32*found I64*");
    }

    [Theory]
    [InlineData("torch", "archive")]
    [InlineData("torch.storage", "pytorch_model")]
    [InlineData("torch", "a name with spaces")]
    public void Archives_and_storages_of_every_spelling_are_read(string module, string folder)
    {
        byte[] pickle = new PickleBuilder().Begin()
            .Text("x").Tensor(p => p.Storage("FloatStorage", "0", 2, module), 0, [2], [1]).End();

        using TorchFile file = Open(TorchArchive.Make(pickle, new() { ["0"] = Bytes(3f, 4f) }, folder));

        Read(file, "x").Should().Equal(3, 4);
    }

    [Fact]
    public void Archives_in_the_form_for_more_than_4_GB_are_read()
    {
        byte[] pickle = new PickleBuilder().Begin()
            .Text("x").Tensor(p => p.Storage("FloatStorage", "0", 2), 0, [2], [1]).End();
        byte[] archive = TorchArchive.Zip64(new() { ["a/data.pkl"] = pickle, ["a/data/0"] = Bytes(3f, 4f) });

        using TorchFile file = Open(archive);

        Read(file, "x").Should().Equal(3, 4);
    }

    [Fact]
    public void Views_share_a_storage_by_offset_and_strides()
    {
        float[] storage = [.. Enumerable.Range(0, 24).Select(i => (float)i)];
        void Shared(PickleBuilder p) => p.Storage("FloatStorage", "0", 24);
        byte[] pickle = new PickleBuilder().Begin()
            .Text("whole").Tensor(Shared, 0, [2, 3, 4], [12, 4, 1])
            .Text("row").Tensor(Shared, 8, [4], [1])
            .Text("transposed").Tensor(Shared, 0, [4, 6], [1, 4])
            .Text("column").Tensor(Shared, 3, [2, 3, 1], [12, 4, 77])
            .Text("permuted").Tensor(Shared, 0, [3, 4, 2], [4, 1, 12])
            .Text("repeated").Tensor(Shared, 5, [2, 3], [0, 1])
            .Text("number").Tensor(Shared, 23, [], [])
            .Text("nothing").Tensor(Shared, 24, [0, 5], [5, 1])
            .End();

        using TorchFile file = Open(TorchArchive.Make(pickle, new() { ["0"] = Bytes(storage) }));

        Read(file, "whole").Should().Equal(storage);
        Read(file, "row").Should().Equal(8, 9, 10, 11);
        Read(file, "transposed").Should().Equal(
            from i in Enumerable.Range(0, 4) from j in Enumerable.Range(0, 6) select (float)(i + (4 * j)));
        Read(file, "column").Should().Equal(3, 7, 11, 15, 19, 23);
        Read(file, "permuted").Should().Equal(
            from i in Enumerable.Range(0, 3) from j in Enumerable.Range(0, 4) from k in Enumerable.Range(0, 2)
            select (float)((4 * i) + j + (12 * k)));
        Read(file, "repeated").Should().Equal(5, 6, 7, 5, 6, 7);
        Read(file, "number").Should().Equal(23);
        Read(file, "nothing").Should().BeEmpty();
    }

    [Theory]
    [InlineData("FloatStorage", 4)]
    [InlineData("DoubleStorage", 8)]
    [InlineData("HalfStorage", 2)]
    public void Parts_of_a_strided_view_are_what_the_whole_says(string type, int size)
    {
        const int rows = 67, columns = 53;
        byte[] data = size switch
        {
            4 => Bytes(Samples.Normal(1, rows * columns)),
            8 => Bytes(Array.ConvertAll(Samples.Normal(1, rows * columns), value => (double)value)),
            _ => Bytes(Array.ConvertAll(Samples.Normal(1, rows * columns), value => (Half)value)),
        };
        byte[] pickle = new PickleBuilder().Begin()
            .Text("x").Tensor(p => p.Storage(type, "0", rows * columns), 0, [columns, rows], [1, columns]).End();
        using TorchFile file = Open(TorchArchive.Make(pickle, new() { ["0"] = data }));
        float[] whole = Read(file, "x");

        for (int start = 0; start < whole.Length; start += 97)
        {
            float[] part = new float[Math.Min(1200, whole.Length - start)];
            file.ReadRange("x", start, part);
            part.ShouldHaveTheBitsOf(whole[start..(start + part.Length)], $"from {start}");
        }
    }

    [Fact]
    public void Parameters_and_the_attributes_of_a_state_dictionary_are_understood()
    {
        byte[] pickle = new PickleBuilder().Begin()
            .Text("x").Global("torch._utils", "_rebuild_parameter").Op('(')
            .Tensor(p => p.Storage("FloatStorage", "0", 1), 0, [1], [1]).Raw(0x88)
            .Global("collections", "OrderedDict").Op(')').Op('R').Op('t').Op('R')
            .Op('u')
            .Op('}').Text("_metadata").Begin().Text("").Op('}').Text("version").Integer(1).Op('s').Op('u').Op('s')
            .Op('b')
            .Bytes();

        using TorchFile file = Open(TorchArchive.Make(pickle, new() { ["0"] = Bytes(5f) }));

        file.Tensors.Keys.Should().Equal("x");
        Read(file, "x").Should().Equal(5);
    }

    [Fact]
    public void Pickles_of_protocol_4_are_read()
    {
        static byte[] Short(string text) => [0x8c, (byte)text.Length, .. Encoding.ASCII.GetBytes(text), 0x94];
        byte[] pickle = new PickleBuilder().Raw(0x80, 4, 0x95, 0, 0, 0, 0, 0, 0, 0, 0)
            .Raw(Short("collections")).Raw(Short("OrderedDict")).Raw(0x93, 0x94).Op(')').Op('R').Raw(0x94).Op('(')
            .Raw(Short("x")).Tensor(p => p.Storage("FloatStorage", "0", 1), 0, [1], [1]).End();

        using TorchFile file = Open(TorchArchive.Make(pickle, new() { ["0"] = Bytes(5f) }));

        Read(file, "x").Should().Equal(5);
    }

    [Fact]
    public void Wrong_requests_name_file_tensor_expected_and_found()
    {
        using TorchFile file = Open(TorchArchive.Make(Tensors(("x", "FloatStorage")), new() { ["x"] = new byte[12] }));

        Action missing = () => file.Read("y", new float[1]);
        Action length = () => file.Read("x", new float[5]);
        Action range = () => file.ReadRange("x", long.MaxValue, new float[2]);

        missing.Should().Throw<InvalidDataException>().WithMessage("*model.bin*\"y\"*none of that name*");
        length.Should().Throw<ArgumentException>().WithMessage("*model.bin*\"x\"*F32 [3]*3 elements*5*");
        range.Should().Throw<ArgumentException>().WithMessage("*\"x\"*3 elements*2 from element 9223372036854775807*");
    }

    [Fact]
    public void Reading_after_closing_is_refused()
    {
        TorchFile file = Open(TorchArchive.Make(Tensors(("x", "FloatStorage")), new() { ["x"] = new byte[12] }));
        file.Dispose();
        file.Dispose();

        Action read = () => file.Read("x", new float[3]);

        read.Should().Throw<ObjectDisposedException>();
    }

    /// <summary>A dictionary of tensors [3], each with a storage of its own that is called like it.</summary>
    private static byte[] Tensors(params (string Name, string Type)[] tensors)
    {
        PickleBuilder pickle = new PickleBuilder().Begin();
        foreach ((string name, string type) in tensors)
        {
            pickle.Text(name).Tensor(p => p.Storage(type, name, 3), 0, [3], [1]);
        }

        return pickle.End();
    }

    private TorchFile Open(byte[] content) => TorchFile.Open(_folder.Write("pytorch_model.bin", content));

    private static float[] Read(TorchFile file, string name)
    {
        float[] values = new float[file.Tensors[name].Count];
        file.Read(name, values);
        return values;
    }
}
