using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Memory;

namespace Mamba.Tests.Kernels;

/// <summary>Linear maps and tables on the CPU whose weights are stored in fewer bits.</summary>
public sealed class NarrowWeightsTests
{
    public static TheoryData<Precision> Narrow =>
    [
        Precision.BFloat16, Precision.Float16, Precision.Int8, Precision.Int4, Precision.Q4K, Precision.Q5K,
        Precision.Q6K,
    ];

    private static int[] Depths(Precision precision) => precision switch
    {
        < Precision.Int8 => [1, 7, 33, 48, 95, 321],
        Precision.Int8 or Precision.Int4 => [32, 64, 96, 288, 800],
        _ => [256, 512, 1024],
    };

    [Theory]
    [MemberData(nameof(Narrow))]
    public void A_linear_map_has_the_bits_of_the_numbers_that_its_weights_stand_for(Precision precision)
    {
        using CpuDevice device = TestDevice.Cpu(2);
        foreach (int depth in Depths(precision))
        {
            foreach (int columns in new[] { 1, 2, 6, 101 })
            {
                (DeviceArray narrow, DeviceArray wide) = Weights(device, columns, depth, precision);
                DeviceArray bias = device.Array([columns], Samples.Normal(3, columns));
                foreach (int length in new[] { 1, 2, 3, 4, 5, 11, 60 })
                {
                    DeviceArray x = device.Array([3, length, depth], Samples.Normal(2, 3 * length * depth));

                    float[] actual = Functions.Linear(x, narrow, bias).ToArray();

                    actual.ShouldHaveTheBitsOf(Functions.Linear(x, wide, bias).ToArray());
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Narrow))]
    public void A_step_has_the_same_bits_alone_and_in_a_batch(Precision precision)
    {
        using CpuDevice device = TestDevice.Cpu(2);
        (DeviceArray narrow, _) = Weights(device, 70, 9000 / 256 * 256, precision);
        DeviceArray x = device.Array([5, 1, narrow.Shape[1]], Samples.Normal(2, 5 * narrow.Shape[1]));

        float[] together = Functions.Linear(x, narrow).ToArray();

        for (int row = 0; row < 5; row++)
        {
            DeviceArray alone = device.Array(
                [1, 1, narrow.Shape[1]], x.ToArray().AsSpan(row * narrow.Shape[1], narrow.Shape[1]));
            Functions.Linear(alone, narrow).ToArray().ShouldHaveTheBitsOf(together[(row * 70)..((row + 1) * 70)]);
        }
    }

    [Theory]
    [InlineData(Precision.Float32)]
    [InlineData(Precision.BFloat16)]
    [InlineData(Precision.Float16)]
    [InlineData(Precision.Int8)]
    [InlineData(Precision.Int4)]
    [InlineData(Precision.Q4K)]
    [InlineData(Precision.Q5K)]
    [InlineData(Precision.Q6K)]
    public void A_step_has_the_same_bits_among_any_number_of_others(Precision precision)
    {
        const int most = 18;
        using CpuDevice device = TestDevice.Cpu(2);
        foreach (int depth in Depths(precision).Take(4))
        {
            foreach (int columns in new[] { 1, 2, 5, 64 })
            {
                DeviceArray weight = device.Allocate([columns, depth], precision);
                weight.CopyFrom(Samples.Normal(1, columns * depth));
                float[] x = Samples.Normal(2, most * depth);
                float[] alone = [.. Enumerable.Range(0, most).SelectMany(row => Steps(row, 1))];

                for (int rows = 2; rows <= most; rows++)
                {
                    Steps(most - rows, rows).ShouldHaveTheBitsOf(alone[((most - rows) * columns)..], $"{rows} rows");
                }

                float[] Steps(int first, int rows) => Functions.Linear(
                    device.Array([rows, 1, depth], x.AsSpan(first * depth, rows * depth)), weight).ToArray();
            }
        }
    }

    [Theory]
    [MemberData(nameof(Narrow))]
    public void A_table_gives_the_numbers_that_it_stands_for(Precision precision)
    {
        using CpuDevice device = TestDevice.Cpu(2);
        (DeviceArray narrow, DeviceArray wide) = Weights(device, 40, 256, precision);
        IndexArray ids = device.Indices([3, 39, 0, 3]);

        float[] rows = Functions.Embedding(narrow, ids, 2, 2).ToArray();

        rows.ShouldHaveTheBitsOf(Functions.Embedding(wide, ids, 2, 2).ToArray());
    }

    [Theory]
    [MemberData(nameof(Narrow))]
    public void The_gradient_of_the_input_is_that_of_the_numbers_that_the_weights_stand_for(Precision precision)
    {
        using CpuDevice device = TestDevice.Cpu(2);
        (DeviceArray narrow, DeviceArray wide) = Weights(device, 20, 256, precision);

        Gradient(narrow).ShouldHaveTheBitsOf(Gradient(wide));

        float[] Gradient(DeviceArray weight)
        {
            DeviceArray x = device.Array([9, 256], Samples.Normal(2, 9 * 256));
            using Tape tape = new(device);
            tape.Watch(x);
            tape.Backward((Functions.Linear(x, weight), device.Array([9, 20], Samples.Normal(4, 9 * 20))));
            return x.Gradient.ToArray();
        }
    }

    [Fact]
    public void Eight_bits_are_those_of_the_published_format()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        float[] values = [.. Samples.Normal(1, 62), 3.5f, -7f];

        float[] actual = RoundTrip(device, values, Precision.Int8);

        for (int block = 0; block < 2; block++)
        {
            float[] part = values[(32 * block)..(32 * (block + 1))];
            float exact = part.Max(MathF.Abs) / 127f, stored = (float)(Half)exact;
            actual[(32 * block)..(32 * (block + 1))].Should().Equal(
                part.Select(v => stored * MathF.Round(v * (1 / exact), MidpointRounding.AwayFromZero)));
        }
    }

    [Fact]
    public void Four_bits_are_those_of_the_published_format()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        float[] values = [.. Samples.Normal(1, 62), 3.5f, -7f];

        float[] actual = RoundTrip(device, values, Precision.Int4);

        for (int block = 0; block < 2; block++)
        {
            float[] part = values[(32 * block)..(32 * (block + 1))];
            float exact = part.MaxBy(MathF.Abs) / -8f, stored = (float)(Half)exact;
            actual[(32 * block)..(32 * (block + 1))].Should().Equal(
                part.Select(v => stored * (Math.Min(15, (int)((v * (1 / exact)) + 8.5f)) - 8)));
        }
    }

    [Fact]
    public void Every_finite_half_precision_number_is_kept()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        float[] halves =
        [
            .. Enumerable.Range(0, 1 << 16)
                .Select(bits => BitConverter.UInt16BitsToHalf((ushort)bits))
                .Where(Half.IsFinite)
                .Select(half => (float)half),
        ];

        RoundTrip(device, halves, Precision.Float16).ShouldHaveTheBitsOf(halves);
    }

    [Theory]
    [MemberData(nameof(Narrow))]
    public void Zeros_stay_zeros(Precision precision)
    {
        using CpuDevice device = TestDevice.Cpu(1);

        RoundTrip(device, new float[256], precision).Should().OnlyContain(value => value == 0f);
    }

    [Theory]
    [InlineData(Precision.Float16, 70000f)]
    [InlineData(Precision.Float16, float.PositiveInfinity)]
    [InlineData(Precision.Int8, float.NaN)]
    [InlineData(Precision.Int8, 1e30f)]
    [InlineData(Precision.Int4, float.NegativeInfinity)]
    [InlineData(Precision.Q4K, float.NaN)]
    [InlineData(Precision.Q5K, 1e30f)]
    [InlineData(Precision.Q6K, float.PositiveInfinity)]
    public void Weights_that_do_not_fit_are_refused(Precision precision, float value)
    {
        using CpuDevice device = TestDevice.Cpu(2);
        float[] values = new float[256];
        values[40] = value;

        Action narrow = () => RoundTrip(device, values, precision);

        narrow.Should().Throw<ArithmeticException>().WithMessage("Expected*found*");
    }

    [Fact]
    public void Narrow_arrays_are_refused_by_name_where_float32_is_needed()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        (DeviceArray narrow, _) = Weights(device, 4, 32, Precision.Int8);

        Action add = () => Functions.Silu(narrow);

        add.Should().Throw<ArgumentException>().WithMessage("Expected an array of Float32; found [4, 32] of Int8*");
    }

    private static float[] RoundTrip(CpuDevice device, float[] values, Precision precision)
    {
        DeviceArray array = device.Allocate([1, values.Length], precision);
        array.CopyFrom(values);
        return array.ToArray();
    }

    /// <summary>Weights in fewer bits, and the numbers that they stand for.</summary>
    private static (DeviceArray Narrow, DeviceArray Wide) Weights(
        CpuDevice device, int columns, int depth, Precision precision)
    {
        DeviceArray narrow = device.Allocate([columns, depth], precision);
        narrow.CopyFrom(Samples.Normal(1, columns * depth));
        return (narrow, device.Array([columns, depth], narrow.ToArray()));
    }
}
