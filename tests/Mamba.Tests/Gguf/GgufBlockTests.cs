using System.Buffers.Binary;
using Mamba.Kernels;
using Mamba.Models.Gguf;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Gguf;

/// <summary>Blocks of every type, against the tables of the format read one element at a time.</summary>
public sealed class GgufBlockTests : IDisposable
{
    private const int Blocks = 5;

    private static readonly int[] _table = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
    private static readonly float[] _floats = [0, .5f, 1, 1.5f, 2, 3, 4, 6, 0, -.5f, -1, -1.5f, -2, -3, -4, -6];

    private readonly TemporaryFolder _folder = new(inMemory: true);

    public static TheoryData<GgufType> Types => [.. Enum.GetValues<GgufType>()];

    public static TheoryData<GgufType> Written =>
    [
        GgufType.F32, GgufType.F16, GgufType.BF16, GgufType.Q8_0, GgufType.Q4_0, GgufType.Q4_1, GgufType.Q5_0,
        GgufType.Q5_1, GgufType.Q4_K, GgufType.Q5_K, GgufType.Q6_K,
    ];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Types))]
    public void Blocks_have_the_values_of_the_format(GgufType type)
    {
        (int elements, byte[] blocks) = Random(type);
        using GgufFile file = Open(type, Blocks * elements, blocks);

        float[] actual = new float[Blocks * elements];
        file.Read("x", actual);

        actual.ShouldHaveTheBitsOf(Decoded(type, elements, blocks));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Any_part_of_a_tensor_is_read(GgufType type)
    {
        (int elements, byte[] blocks) = Random(type);
        using GgufFile file = Open(type, Blocks * elements, blocks);
        float[] all = Decoded(type, elements, blocks);
        foreach ((int start, int length) in ((int, int)[])
            [(0, 1), (1, 1), (0, all.Length - 1), (1, all.Length - 1), (elements, 0), (all.Length / 2, all.Length / 3)])
        {
            float[] part = new float[length];
            file.ReadRange("x", start, part);

            part.ShouldHaveTheBitsOf(all[start..(start + length)], $"{length} from {start}");
        }
    }

    [Theory]
    [MemberData(nameof(Written))]
    public void What_a_type_holds_is_encoded_without_loss_or_as_closely_as_its_steps_allow(GgufType type)
    {
        float[] values = [.. Samples.Normal(1, 512), .. new float[256], .. Samples.Normal(2, 256, 1e-3)];
        values[700] = 3f; // one value in a block of zeros
        double bits = type switch
        {
            GgufType.F32 => 30, GgufType.F16 => 11, GgufType.BF16 => 8, GgufType.Q8_0 => 6.3, GgufType.Q6_K => 4.9,
            GgufType.Q5_0 or GgufType.Q5_1 or GgufType.Q5_K => 3.6, _ => 2.6,
        };

        float[] decoded = RoundTrip(type, values);

        for (int block = 0; block < values.Length; block += 256)
        {
            double error = 0, size = 0;
            for (int i = block; i < block + 256; i++)
            {
                error += Math.Pow(decoded[i] - values[i], 2);
                size += Math.Pow(values[i], 2);
            }

            Math.Sqrt(error / Math.Max(size, 1e-30)).Should().BeLessThan(Math.Pow(2, -bits), $"{type}, block {block}");
        }
    }

    [Theory]
    [MemberData(nameof(Written))]
    public void Zeros_and_equal_numbers_stay(GgufType type)
    {
        RoundTrip(type, new float[256]).Should().OnlyContain(value => value == 0f);
        RoundTrip(type, [.. Enumerable.Repeat(-0.5f, 256)]).Should()
            .OnlyContain(value => Math.Abs(value + 0.5f) < 1e-3f);
    }

    [Theory]
    [InlineData(GgufType.F16, 70000f)]
    [InlineData(GgufType.Q8_0, 1e30f)]
    [InlineData(GgufType.Q4_1, float.NaN)]
    [InlineData(GgufType.Q5_0, float.PositiveInfinity)]
    [InlineData(GgufType.Q4_K, float.NaN)]
    [InlineData(GgufType.Q4_K, 1e30f)]
    [InlineData(GgufType.Q5_K, float.NegativeInfinity)]
    [InlineData(GgufType.Q6_K, float.NaN)]
    [InlineData(GgufType.Q6_K, 1e30f)]
    public void What_does_not_fit_is_refused(GgufType type, float value)
    {
        float[] values = new float[256];
        values[77] = value;

        Action encode = () => RoundTrip(type, values);

        encode.Should().Throw<ArithmeticException>().WithMessage("Expected*found*");
    }

    private static unsafe float[] RoundTrip(GgufType type, float[] values)
    {
        (int elements, int bytes) = type.Block();
        byte[] blocks = new byte[values.Length / elements * bytes];
        fixed (float* source = values)
        fixed (byte* target = blocks)
        {
            GgufEncoder.Encode(type, source, values.Length, target);
        }

        return Decoded(type, elements, blocks);
    }

    /// <summary>Random blocks whose scales are finite, some of them negative, zero or subnormal.</summary>
    private static (int Elements, byte[] Blocks) Random(GgufType type)
    {
        (int elements, int bytes) = type.Block();
        byte[] blocks = new byte[Blocks * bytes];
        Random random = new(1);
        random.NextBytes(blocks);
        int[] halves = type switch
        {
            GgufType.Q4_1 or GgufType.Q5_1 or GgufType.Q4_K or GgufType.Q5_K => [0, 2],
            GgufType.Q2_K => [80, 82],
            GgufType.Q3_K => [108],
            GgufType.Q6_K => [208],
            GgufType.F32 or GgufType.F64 or GgufType.BF16 or GgufType.MXFP4 => [],
            _ => [0],
        };
        Half[] scales = [(Half)1.5f, (Half)(-0.0123f), Half.Zero, Half.Epsilon, Half.MaxValue];
        for (int i = 0; i < Blocks; i++)
        {
            foreach (int at in halves)
            {
                BinaryPrimitives.WriteHalfLittleEndian(blocks.AsSpan((i * bytes) + at), scales[i]);
            }
        }

        return (elements, blocks);
    }

    private static float[] Decoded(GgufType type, int elements, byte[] blocks)
    {
        int bytes = type.Block().Bytes;
        return
        [
            .. Enumerable.Range(0, blocks.Length / bytes * elements)
                .Select(i => Value(type, blocks.AsSpan(i / elements * bytes, bytes), i % elements)),
        ];
    }

    /// <summary>One element of a block.</summary>
    private static float Value(GgufType type, ReadOnlySpan<byte> b, int i)
    {
        int nibble = i % 32 < 16 ? 0 : 4, group = i / 32, run = group % 4, half = i / 128, k = i % 32;
        switch (type)
        {
            case GgufType.F32:
                return BinaryPrimitives.ReadSingleLittleEndian(b);
            case GgufType.F64:
                return (float)BinaryPrimitives.ReadDoubleLittleEndian(b);
            case GgufType.F16:
                return Half16(b, 0);
            case GgufType.BF16:
                return BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(b) << 16);
            case GgufType.Q4_0:
                return Half16(b, 0) * (((b[2 + (i % 16)] >> nibble) & 15) - 8);
            case GgufType.Q4_1:
                return (Half16(b, 0) * ((b[4 + (i % 16)] >> nibble) & 15)) + Half16(b, 2);
            case GgufType.Q5_0:
                return Half16(b, 0) * (Five(b, i, 2, nibble) - 16);
            case GgufType.Q5_1:
                return (Half16(b, 0) * Five(b, i, 4, nibble)) + Half16(b, 2);
            case GgufType.Q8_0:
                return Half16(b, 0) * (sbyte)b[2 + i];
            case GgufType.Q2_K:
                int two = (b[16 + (32 * half) + k] >> (2 * run)) & 3;
                return (Half16(b, 80) * (b[i / 16] & 15) * two) - (Half16(b, 82) * (b[i / 16] >> 4));
            case GgufType.Q3_K:
                int g = i / 16, low = g < 8 ? b[96 + g] & 15 : b[88 + g] >> 4;
                int scale = low | (((b[104 + (g % 4)] >> (2 * (g / 4))) & 3) << 4);
                int three = ((b[32 + (32 * half) + k] >> (2 * run)) & 3) | (((b[k] >> group) & 1) << 2);
                return Half16(b, 108) * (scale - 32) * (three - 4);
            case GgufType.Q4_K:
                (int sc4, int m4) = Pair(b, group);
                int four = (b[16 + (group / 2 * 32) + k] >> (group % 2 * 4)) & 15;
                return (Half16(b, 0) * sc4 * four) - (Half16(b, 2) * m4);
            case GgufType.Q5_K:
                (int sc5, int m5) = Pair(b, group);
                int five = ((b[48 + (group / 2 * 32) + k] >> (group % 2 * 4)) & 15) + (16 * ((b[16 + k] >> group) & 1));
                return (Half16(b, 0) * sc5 * five) - (Half16(b, 2) * m5);
            case GgufType.Q6_K:
                int six = (b[(64 * half) + (32 * (run % 2)) + k] >> (run / 2 * 4)) & 15;
                six |= ((b[128 + (32 * half) + k] >> (2 * run)) & 3) << 4;
                return Half16(b, 208) * (sbyte)b[192 + (i / 16)] * (six - 32);
            case GgufType.IQ4_NL:
                return Half16(b, 0) * _table[(b[2 + (i % 16)] >> nibble) & 15];
            case GgufType.IQ4_XS:
                int high = (BinaryPrimitives.ReadUInt16LittleEndian(b[2..]) >> (2 * group)) & 3;
                int s = ((b[4 + (group / 2)] >> (4 * (group % 2))) & 15) | (high << 4);
                return Half16(b, 0) * (s - 32) * _table[(b[8 + (16 * group) + (k % 16)] >> nibble) & 15];
            default:
                return (float)(Math.Pow(2, b[0] - 127) * _floats[(b[1 + (i % 16)] >> nibble) & 15]);
        }

        static float Half16(ReadOnlySpan<byte> b, int at) => (float)BinaryPrimitives.ReadHalfLittleEndian(b[at..]);

        static int Five(ReadOnlySpan<byte> b, int i, int at, int nibble) =>
            ((b[at + 4 + (i % 16)] >> nibble) & 15)
            | (int)(((BinaryPrimitives.ReadUInt32LittleEndian(b[at..]) >> i) & 1) << 4);

        static (int Scale, int Minimum) Pair(ReadOnlySpan<byte> b, int j)
        {
            ReadOnlySpan<byte> s = b[4..];
            return j < 4
                ? (s[j] & 63, s[j + 4] & 63)
                : ((s[j + 4] & 15) | (s[j - 4] >> 6 << 4), (s[j + 4] >> 4) | (s[j] >> 6 << 4));
        }
    }

    private GgufFile Open(GgufType type, int count, byte[] data) => GgufFile.Open(_folder.Write(
        "x.gguf", new GgufBytes().Tensor("x", (uint)type, [(ulong)count], data).Make()));
}
