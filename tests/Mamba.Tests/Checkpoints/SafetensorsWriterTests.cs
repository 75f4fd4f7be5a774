using System.Text;
using Mamba.Checkpoints;
using Mamba.Kernels;

namespace Mamba.Tests.Checkpoints;

public sealed class SafetensorsWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_written_is_read_back()
    {
        float[] a = Samples.Normal(1, 6), b = Samples.Normal(2, 5), c = Samples.Normal(3, 3);
        SafetensorsWriter writer = new();
        writer.Add("b", ElementType.BF16, [5], b);
        writer.Add("a", ElementType.F32, [2, 3], a);
        writer.Add("c", ElementType.F16, [3, 1], c);
        writer.Add("empty", ElementType.F32, [0], Array.Empty<float>());

        writer.Save(_folder["x.safetensors"]);

        using SafetensorsFile file = SafetensorsFile.Open(_folder["x.safetensors"]);
        file.Tensors.Keys.Should().BeEquivalentTo("a", "b", "c", "empty");
        file.Tensors["a"].Shape.ToArray().Should().Equal(2, 3);
        file.Metadata.Should().Equal(new Dictionary<string, string> { ["format"] = "pt" });
        Read(file, "a").ShouldHaveTheBitsOf(a);
        Read(file, "b").ShouldHaveTheBitsOf(Array.ConvertAll(b, RoundToBFloat16));
        Read(file, "c").ShouldHaveTheBitsOf(Array.ConvertAll(c, value => (float)(Half)value));
    }

    [Fact]
    public void The_file_is_what_the_format_says()
    {
        SafetensorsWriter writer = new();
        writer.Add("é", ElementType.BF16, [1], new float[] { 1 });
        writer.Add("w", ElementType.F32, [1, 2], new float[] { 1, -2 });

        writer.Save(_folder["x.safetensors"]);

        byte[] bytes = File.ReadAllBytes(_folder["x.safetensors"]);
        int length = (int)BitConverter.ToUInt64(bytes);
        (length % 8).Should().Be(0, "the elements are aligned");
        Encoding.UTF8.GetString(bytes, 8, length).TrimEnd(' ').Should().Be(
            """
            {"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},
            "\u00E9":{"dtype":"BF16","shape":[1],"data_offsets":[8,10]}}
            """.ReplaceLineEndings(""));
        bytes[(8 + length)..].Should().Equal(0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0, 0x80, 0x3F);
    }

    [Fact]
    public void Elements_are_asked_for_in_order_and_each_once()
    {
        const int count = 1_000_003;
        List<(long Start, int Length)> asked = [];
        SafetensorsWriter writer = new();
        writer.Add("x", ElementType.F32, [count], (start, target) =>
        {
            asked.Add((start, target.Length));
            for (int i = 0; i < target.Length; i++)
            {
                target[i] = start + i;
            }
        });

        writer.Save(_folder["x.safetensors"]);

        asked.Should().HaveCountGreaterThan(1);
        asked.Sum(piece => piece.Length).Should().Be(count);
        using SafetensorsFile file = SafetensorsFile.Open(_folder["x.safetensors"]);
        Read(file, "x").Should().Equal(Enumerable.Range(0, count).Select(i => (float)i));
    }

    [Fact]
    public void BFloat16_rounds_to_nearest_and_ties_to_even()
    {
        uint[] bits =
        [
            0x3F800000, 0x3F808000, 0x3F818000, 0x3F808001, 0x3F807FFF, // 1; ties down and up; just above and below
            0x00000000, 0x80000000, 0x00000001, 0x00008001, // zeros, the smallest, a subnormal that rounds up
            0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001, 0xFFFFFFFF, // infinities, NaNs
        ];
        ushort[] expected =
        [
            0x3F80, 0x3F80, 0x3F82, 0x3F81, 0x3F80,
            0x0000, 0x8000, 0x0000, 0x0001,
            0x7F80, 0xFF80, 0x7FC0, 0x7FC0, 0xFFFF,
        ];

        ushort[] narrow = new ushort[bits.Length];
        NarrowNumbers.ToBFloat16(Array.ConvertAll(bits, BitConverter.UInt32BitsToSingle), narrow);

        narrow.Should().Equal(expected);
    }

    [Theory]
    [InlineData(ElementType.F16, 65520f)]
    [InlineData(ElementType.F16, -1e10f)]
    [InlineData(ElementType.BF16, float.MaxValue)]
    public void A_value_that_would_become_infinite_is_refused_and_no_file_is_left(ElementType type, float value)
    {
        SafetensorsWriter writer = new();
        writer.Add("w", type, [2], new[] { 1f, value });

        Action save = () => writer.Save(_folder["x.safetensors"]);

        save.Should().Throw<InvalidOperationException>().WithMessage($"*\"w\"*{value}*{type}*");
        Directory.GetFiles(_folder.Path).Should().BeEmpty();
    }

    [Fact]
    public void Infinities_and_NaN_are_stored_as_they_are()
    {
        float[] values = [float.PositiveInfinity, float.NegativeInfinity, float.NaN];
        SafetensorsWriter writer = new();
        writer.Add("h", ElementType.F16, [3], values);
        writer.Add("b", ElementType.BF16, [3], values);

        writer.Save(_folder["x.safetensors"]);

        using SafetensorsFile file = SafetensorsFile.Open(_folder["x.safetensors"]);
        Read(file, "h").Should().Equal(values);
        Read(file, "b").Should().Equal(values);
    }

    [Fact]
    public void A_save_that_fails_leaves_the_old_file()
    {
        string path = _folder.Write("x.safetensors", [1, 2, 3]);
        SafetensorsWriter writer = new();
        writer.Add("w", ElementType.F32, [1], (_, _) => throw new TimeoutException());

        Action save = () => writer.Save(path);

        save.Should().Throw<TimeoutException>();
        Directory.GetFiles(_folder.Path).Should().Equal(path);
        File.ReadAllBytes(path).Should().Equal(1, 2, 3);
    }

    [Fact]
    public void A_save_replaces_the_old_file()
    {
        string path = _folder.Write("x.safetensors", [1, 2, 3]);

        new SafetensorsWriter().Save(path);

        Directory.GetFiles(_folder.Path).Should().Equal(path);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        file.Tensors.Should().BeEmpty();
    }

    [Fact]
    public void What_cannot_be_written_is_refused_by_name()
    {
        SafetensorsWriter writer = new();
        writer.Add("w", ElementType.F32, [1], new float[1]);

        Action twice = () => writer.Add("w", ElementType.F32, [1], new float[1]);
        Action reserved = () => writer.Add("__metadata__", ElementType.F32, [1], new float[1]);
        Action type = () => writer.Add("x", ElementType.I64, [1], new float[1]);
        Action count = () => writer.Add("x", ElementType.F32, [2, 2], new float[3]);
        Action negative = () => writer.Add("x", ElementType.F32, [-2], (_, _) => { });

        twice.Should().Throw<ArgumentException>().WithMessage("*\"w\"*");
        reserved.Should().Throw<ArgumentException>().WithMessage("*\"__metadata__\"*");
        type.Should().Throw<ArgumentException>().WithMessage("*\"x\"*F32*I64*");
        count.Should().Throw<ArgumentException>().WithMessage("*\"x\"*expected 4*found 3*");
        negative.Should().Throw<ArgumentOutOfRangeException>();
    }

    private static float RoundToBFloat16(float value)
    {
        ushort[] narrow = new ushort[1];
        NarrowNumbers.ToBFloat16([value], narrow);
        return BitConverter.UInt32BitsToSingle((uint)narrow[0] << 16);
    }

    private static float[] Read(SafetensorsFile file, string name)
    {
        float[] values = new float[file.Tensors[name].Count];
        file.Read(name, values);
        return values;
    }
}
