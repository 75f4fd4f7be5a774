using Mamba.Checkpoints;
using static Mamba.Tests.Checkpoints.SafetensorsBytes;

namespace Mamba.Tests.Checkpoints;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_of_another_writer_is_read()
    {
        using SafetensorsFile file = SafetensorsFile.Open(
            Path.Combine(AppContext.BaseDirectory, "Golden", "w4_packed_seq_idx.safetensors"));

        float[] bias = new float[6];
        long[] offsets = new long[5];
        file.Read("in.bias", bias);
        file.Read("in.cu_seqlens", offsets);

        file.Tensors.Should().HaveCount(10);
        file.Tensors["in.x"].ToString().Should().Be("F32 [1, 6, 24]");
        file.Metadata["case"].Should().Be("w4_packed_seq_idx");
        bias.Should().Equal(0.25322807f, 0.353302f, 0.20663148f, 0.30553484f, -0.15094447f, -0.37452352f);
        offsets.Should().Equal(0, 2, 11, 12, 24);
    }

    [Fact]
    public void Every_float_type_is_read_as_float32()
    {
        double[] values =
            [0, -0.0, 1, -1.5, 3.140625, 1e-3, 65504, double.PositiveInfinity, double.NegativeInfinity, double.NaN];
        byte[] f64 = Bytes(values);
        byte[] f32 = Bytes(Array.ConvertAll(values, value => (float)value));
        byte[] f16 = Bytes(Array.ConvertAll(values, value => (Half)value));
        byte[] bf16 = Bytes(Array.ConvertAll(values, value => UpperHalf((float)value)));
        string path = _folder.Write("a.safetensors", Make(
            "{" + Tensor("f64", "F64", "[10]", 0, 80) + "," + Tensor("f32", "F32", "[10]", 80, 120) + ","
            + Tensor("f16", "F16", "[10]", 120, 140) + "," + Tensor("bf16", "BF16", "[10]", 140, 160) + "}",
            [.. f64, .. f32, .. f16, .. bf16]));
        using SafetensorsFile file = SafetensorsFile.Open(path);

        Read(file, "f64").ShouldHaveTheBitsOf(Array.ConvertAll(values, value => (float)value));
        Read(file, "f32").ShouldHaveTheBitsOf(Array.ConvertAll(values, value => (float)value));
        Read(file, "f16").ShouldHaveTheBitsOf(Array.ConvertAll(values, value => (float)(Half)value));
        Read(file, "bf16").ShouldHaveTheBitsOf(Array.ConvertAll(values, value => BitConverter.UInt32BitsToSingle(
            BitConverter.SingleToUInt32Bits((float)value) & 0xFFFF0000)));
    }

    [Theory]
    [InlineData("F32")]
    [InlineData("F16")]
    [InlineData("BF16")]
    [InlineData("F64")]
    public void Every_part_of_every_length_is_what_the_whole_says(string type)
    {
        const int count = 150;
        byte[] data = type switch
        {
            "F64" => Bytes(Array.ConvertAll(Samples.Normal(1, count), value => (double)value)),
            "F32" => Bytes(Samples.Normal(1, count)),
            "F16" => Bytes(Array.ConvertAll(Samples.Normal(1, count), value => (Half)value)),
            _ => Bytes(Array.ConvertAll(Samples.Normal(1, count), UpperHalf)),
        };

        // A header of odd length: the elements are not aligned.
        string header = "{" + Tensor("x", type, "[150]", 0, data.Length) + "}";
        using SafetensorsFile file = SafetensorsFile.Open(
            _folder.Write("x.safetensors", Make(header.PadRight(header.Length + 1 - (header.Length % 2)), data)));
        float[] whole = Read(file, "x");

        for (int length = 0; length < 70; length++)
        {
            float[] part = new float[length];
            file.ReadRange("x", 3 + length, part);
            part.ShouldHaveTheBitsOf(whole[(3 + length)..(3 + (2 * length))], $"{length} elements");
        }

        whole.Should().Contain(value => value != 0);
    }

    [Fact]
    public void Floats_are_read_as_float64_without_loss()
    {
        double[] f64 = Array.ConvertAll(Samples.Normal(1, 1000), value => value / 3.0);
        float[] f32 = Samples.Normal(2, 1000);
        using SafetensorsFile file = SafetensorsFile.Open(_folder.Write("x.safetensors", Make(
            "{" + Tensor("a", "F64", "[1000]", 0, 8000) + "," + Tensor("b", "F32", "[1000]", 8000, 12000) + "}",
            [.. Bytes(f64), .. Bytes(f32)])));

        double[] a = new double[1000], b = new double[1000];
        file.Read("a", a);
        file.Read("b", b);

        a.Should().Equal(f64);
        b.Should().Equal(Array.ConvertAll(f32, value => (double)value));
    }

    [Fact]
    public void Integers_are_read_as_64_bits()
    {
        using SafetensorsFile file = SafetensorsFile.Open(_folder.Write("x.safetensors", Make(
            "{" + Tensor("a", "I64", "[2]", 0, 16) + "," + Tensor("b", "I32", "[3]", 16, 28) + "}",
            [.. Bytes(long.MinValue, 5), .. Bytes(-1, int.MaxValue, 7)])));

        long[] a = new long[2], b = new long[3];
        file.Read("a", a);
        file.Read("b", b);

        a.Should().Equal(long.MinValue, 5);
        b.Should().Equal(-1, int.MaxValue, 7);
    }

    [Fact]
    public void Bytes_of_any_type_are_read_as_they_are_stored()
    {
        using SafetensorsFile file = SafetensorsFile.Open(_folder.Write("x.safetensors", Make(
            "{" + Tensor("a", "F8_E4M3", "[2,2]", 0, 4) + "," + Tensor("b", "U16", "[2]", 4, 8) + "}",
            [1, 2, 3, 4, 5, 6, 7, 8])));

        byte[] a = new byte[2], b = new byte[2];
        file.ReadBytes("a", 1, a);
        file.ReadBytes("b", 1, b);

        a.Should().Equal(2, 3);
        b.Should().Equal(7, 8);
    }

    [Theory]
    [InlineData("[]", 1)]
    [InlineData("[0]", 0)]
    [InlineData("[3,0,5]", 0)]
    [InlineData("[1,1,1,1,1,1,1]", 1)]
    public void Shapes_of_any_rank_are_allowed(string shape, int count)
    {
        using SafetensorsFile file = SafetensorsFile.Open(_folder.Write("x.safetensors", Make(
            "{" + Tensor("x", "F32", shape, 0, 4 * count) + "}", new byte[4 * count])));

        file.Tensors["x"].Count.Should().Be(count);
        Read(file, "x").Should().HaveCount(count);
    }

    [Fact]
    public void A_file_without_tensors_is_allowed()
    {
        using SafetensorsFile file = SafetensorsFile.Open(_folder.Write("x.safetensors", Make("{}  ", [])));

        file.Tensors.Should().BeEmpty();
    }

    [Fact]
    public void Reading_after_closing_is_refused()
    {
        SafetensorsFile file = SafetensorsFile.Open(_folder.Write("x.safetensors", Make(
            "{" + Tensor("x", "F32", "[1]", 0, 4) + "}", new byte[4])));
        file.Dispose();
        file.Dispose();

        Action read = () => file.Read("x", new float[1]);

        read.Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public void Wrong_requests_name_file_tensor_expected_and_found()
    {
        using SafetensorsFile file = SafetensorsFile.Open(_folder.Write("x.safetensors", Make(
            "{" + Tensor("x", "F32", "[2,3]", 0, 24) + "," + Tensor("i", "I32", "[1]", 24, 28) + "}", new byte[28])));

        Action missing = () => file.Read("y", new float[1]);
        Action length = () => file.Read("x", new float[5]);
        Action range = () => file.ReadRange("x", 2, new float[5]);
        Action negative = () => file.ReadRange("x", -1, new float[1]);
        Action type = () => file.Read("i", new float[1]);
        Action integer = () => file.Read("x", new long[6]);
        Action odd = () => file.ReadBytes("x", 0, new byte[6]);

        missing.Should().Throw<InvalidDataException>().WithMessage("*x.safetensors*\"y\"*none of that name*");
        length.Should().Throw<ArgumentException>().WithMessage("*x.safetensors*\"x\"*F32 [2, 3]*6 elements*5*");
        range.Should().Throw<ArgumentException>().WithMessage("*\"x\"*6 elements*5 from element 2*");
        negative.Should().Throw<ArgumentException>().WithMessage("*\"x\"*6 elements*1 from element -1*");
        type.Should().Throw<InvalidDataException>().WithMessage("*\"i\"*expected*F32*found I32*");
        integer.Should().Throw<InvalidDataException>().WithMessage("*\"x\"*expected*I64*found F32*");
        odd.Should().Throw<ArgumentException>().WithMessage("*\"x\"*multiple of 4*6*");
    }

    [Fact]
    public void A_tensor_above_2_GB_is_read_in_pieces()
    {
        // A sparse file: its length is claimed, but hardly any of it is stored.
        const long count = 1_200_000_000;
        string header = "{" + Tensor("x", "BF16", $"[{count}]", 0, 2 * count) + "}";
        string path = _folder.Write("x.safetensors", Make(header, []));
        using (FileStream stream = new(path, FileMode.Open))
        {
            stream.SetLength(stream.Length + (2 * count));
            stream.Position = stream.Length - 4;
            stream.Write(Bytes((ushort)0x3F80, (ushort)0xC000));
        }

        using SafetensorsFile file = SafetensorsFile.Open(path);
        float[] last = new float[3];
        file.ReadRange("x", count - 3, last);

        last.Should().Equal(0, 1, -2);
    }

    private static ushort UpperHalf(float value) => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);

    private static float[] Read(SafetensorsFile file, string name)
    {
        float[] values = new float[file.Tensors[name].Count];
        file.Read(name, values);
        return values;
    }
}
