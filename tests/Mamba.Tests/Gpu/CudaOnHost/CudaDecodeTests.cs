using Mamba.Devices;
using Mamba.Gpu;
using Mamba.Gpu.Cuda;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Gpu.CudaOnHost;

/// <summary>A decoding step's kernels in CUDA C, run on the host. See <see cref="Thorough"/>.</summary>
public sealed class CudaDecodeTests
{
    public CudaDecodeTests()
    {
        Assert.SkipUnless(Thorough.IsAsked, Thorough.Reason);
        Assert.SkipUnless(HostKernels.IsPossible, "The kernels run on the host of Linux with g++.");
    }

    [Theory]
    [InlineData(1, 8, 5)]
    [InlineData(1, 768, 33)]
    [InlineData(7, 48, 160)]
    [InlineData(16, 200, 20)]
    [InlineData(17, 136, 48)]
    [InlineData(63, 1544, 17)]
    public void A_product_matches_the_reference(int rows, int depth, int width)
    {
        using GpuDevice device = HostKernels.Open();
        using ReferenceDevice reference = TestDevice.Reference();

        float[] found = Product(device, rows, depth, width);

        found.ShouldBeClose(Product(reference, rows, depth, width), 1e-6);
        device.LaunchesInCudaC.Should().Be(1);
    }

    [Fact]
    public void A_row_has_the_same_bits_in_every_batch()
    {
        const int Depth = 264, Width = 40;
        using GpuDevice device = HostKernels.Open();
        float[] all = Product(device, CudaDecode.MostRows, Depth, Width);
        foreach (int rows in (int[])[1, 8, 9, 30, 64])
        {
            Product(device, rows, Depth, Width).ShouldHaveTheBitsOf(all[..(rows * Width)]);
        }
    }

    [Theory]
    [InlineData(65, 16)]
    [InlineData(4, 12)]
    public void Other_products_are_left_to_the_other_kernels(int rows, int depth)
    {
        using GpuDevice device = HostKernels.Open();
        using ReferenceDevice reference = TestDevice.Reference();

        float[] found = Product(device, rows, depth, 9);

        found.ShouldBeClose(Product(reference, rows, depth, 9), 1e-6);
        device.LaunchesInCudaC.Should().Be(0);
    }

    [Theory]
    [InlineData(Precision.Float32)]
    [InlineData(Precision.BFloat16)]
    public void The_largest_number_of_a_row_is_the_first_of_equal_ones(Precision precision)
    {
        const int Width = 2500, Pitch = 2504;
        using GpuDevice device = HostKernels.Open();
        using ReferenceDevice reference = TestDevice.Reference();
        float[] x = [.. Samples.Normal(3, 5 * Pitch).Select(value => MathF.Round(2 * value))];
        x.AsSpan(Pitch, Width).Fill(float.NegativeInfinity);
        (x[(2 * Pitch) + 2499], x[(2 * Pitch) + 17], x[3 * Pitch]) = (float.NaN, float.NaN, float.PositiveInfinity);
        for (int row = 0; row < 5; row++)
        {
            x.AsSpan((row * Pitch) + Width, Pitch - Width).Fill(1e9f); // beside the slice
        }

        (float[] values, int[] places) = Largest(device, precision);

        (float[] expected, int[] expectedPlaces) = Largest(reference, Precision.Float32);
        values.Should().Equal(expected);
        places.Should().Equal(expectedPlaces);
        device.LaunchesInCudaC.Should().Be(1);

        (float[], int[]) Largest(Device tested, Precision stored)
        {
            DeviceArray found = tested.Allocate([2, 5]), all = tested.Allocate([5, 1, Pitch], stored);
            tested.Copy(tested.Array([5, 1, Pitch], x), all);
            tested.RowMaxima(all.Slice(0, Width), found.RowRange(0, 1), found.RowRange(1, 1));
            Likeliest[] likeliest = new Likeliest[5];
            Likeliest.CopyTo(found, new float[10], likeliest);
            return ([.. likeliest.Select(one => one.Logit)], [.. likeliest.Select(one => one.Token)]);
        }
    }

    [Fact]
    public void A_model_steps_as_with_the_other_kernels()
    {
        LanguageModelConfig config = new()
        {
            VocabularySize = 50,
            VocabularyMultiple = 8,
            Layers = [new MambaMixerOptions { ModelDim = 64 }, new Mamba2MixerOptions { ModelDim = 64, StateDim = 16 }],
        };
        using GpuDevice first = HostKernels.Open();
        using GpuDevice device = first.Share(new() { Precision = Precision.BFloat16, CudaKernels = true });
        using GpuDevice other = first.Share(new() { Precision = Precision.BFloat16 });

        float[] found = Logits(device);

        found.ShouldBeClose(Logits(other), 2e-2);
        device.LaunchesInCudaC.Should().BeGreaterThan(0);

        float[] Logits(GpuDevice tested)
        {
            using MambaLanguageModel model = new(tested, config, new Random(1));
            model.Narrow();
            using ModelState state = model.CreateState(3);
            float[] logits = new float[3 * config.PaddedVocabularySize];
            for (int step = 0; step < 4; step++)
            {
                model.Step([step, 7, 11], state, logits);
            }

            return logits;
        }
    }

    /// <summary>
    /// A product of bfloat16 numbers with start and bias, x a slice of wider rows with NaN beside it.
    /// </summary>
    private static float[] Product(Device device, int rows, int depth, int width)
    {
        int pitch = depth + 8;
        float[] x = Rounded(CudaDecode.MostRows * 2 * pitch, 1).AsSpan(0, rows * pitch).ToArray();
        for (int row = 0; row < rows; row++)
        {
            x.AsSpan((row * pitch) + depth, pitch - depth).Fill(float.NaN);
        }

        DeviceArray y = device.Allocate([rows, 1, width]);
        device.Linear(new()
        {
            X = Stored([rows, 1, pitch], x).Slice(0, depth),
            Weight = Stored([width, depth], Rounded(width * depth, 2)),
            Bias = device.Array([width], Samples.Normal(3, width)),
            Start = device.Array([rows, 1, width], Samples.Normal(4, 128 * width).AsSpan(0, rows * width)),
            Y = y,
        });
        return y.ToArray();

        DeviceArray Stored(Shape shape, float[] values)
        {
            DeviceArray stored = device.Allocate(
                shape, device is GpuDevice ? Precision.BFloat16 : Precision.Float32);
            device.Copy(device.Array(shape, values), stored);
            return stored;
        }
    }

    /// <summary>Numbers that bfloat16 has.</summary>
    private static float[] Rounded(int count, int seed) =>
        [.. Samples.Normal(seed, count).Select(value => BitConverter.Int32BitsToSingle(
            BitConverter.SingleToInt32Bits(value) & unchecked((int)0xFFFF0000)))];
}
