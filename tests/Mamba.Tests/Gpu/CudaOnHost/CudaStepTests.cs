using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Gpu;
using Mamba.Gpu.Cuda;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Operations;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Gpu.CudaOnHost;

/// <summary>
/// A mixer's step by few kernels in CUDA C, run on the host, against the operations that it is made of. See
/// <see cref="Thorough"/>.
/// </summary>
public sealed class CudaStepTests
{
    public CudaStepTests()
    {
        Assert.SkipUnless(Thorough.IsAsked, Thorough.Reason);
        Assert.SkipUnless(HostKernels.IsPossible, "The kernels run on the host of Linux with g++.");
    }

    [Theory]
    [InlineData(1, 72, 4, 1)]
    [InlineData(3, 200, 4, 1)]
    [InlineData(4, 1160, 3, 1)]
    [InlineData(8, 72, 4, 2)]
    [InlineData(9, 64, 4, 2)]
    [InlineData(20, 136, 2, 2)]
    public void Norm_projection_and_convolution_are_those_of_the_operations(
        int rows, int depth, int taps, int launches)
    {
        using GpuDevice first = HostKernels.Open(), device = Share(first, true), other = Share(first, false);
        foreach (bool hasUpdate in (bool[])[true, false])
        {
            long before = device.LaunchesInCudaC;

            (float[] convolved, float[] others, float[] window, float[] sum) =
                Input(device, rows, depth, taps, hasUpdate);

            device.LaunchesInCudaC.Should().Be(before + launches);
            var expected = Input(other, rows, depth, taps, hasUpdate);

            // A float32 sum in another order can round a normalised number to its other neighbour in bfloat16.
            convolved.ShouldBeClose(expected.Convolved, 5e-4);
            others.ShouldBeClose(expected.Others, 5e-4);
            window.ShouldBeClose(expected.Window, 5e-4);
            sum.ShouldHaveTheBitsOf(expected.Sum);
        }

        other.LaunchesInCudaC.Should().Be(0);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public void A_row_wider_than_the_registers_of_a_group_is_normalised_in_passes(int rows)
    {
        const int Depth = 3080, Width = 2112;
        using GpuDevice first = HostKernels.Open(), device = Share(first, true);
        using DeviceScope scope = device.Scope();
        NormOperation norm = new NormOperation
        {
            X = Narrow(device, [rows, 1, Depth], 1),
            Residual = device.Array([rows, 1, Depth], Samples.Normal(2, rows * Depth)),
            Weight = device.Array([Depth], Samples.Normal(3, Depth)),
            Epsilon = 1e-5f,
        }.Prepare(device, keep: false);
        DeviceArray weight = Narrow(device, [Width, Depth], 4), apart = device.Zeros([rows, 1, Width]);
        LinearOperation linear = new() { X = norm.Y, Weight = weight, Y = device.Zeros([rows, 1, Width]) };

        device.NormedLinear(norm, linear);

        float[] sum = norm.Sum.ToArray();
        device.Norm(norm);
        device.Linear(linear with { Y = apart });
        linear.Y.ToArray().ShouldBeClose(apart.ToArray(), 5e-4);
        sum.ShouldHaveTheBitsOf(norm.Sum.ToArray());
        device.LaunchesInCudaC.Should().Be(rows == 1 ? 2 : 3, "the last is the product apart");
    }

    [Theory]
    [InlineData(1, 40, 4, true)]
    [InlineData(3, 70, 12, false)]
    [InlineData(2, 33, 160, true)]
    public void Time_step_and_scan_match_the_reference(int rows, int channels, int rank, bool hasOptions)
    {
        using GpuDevice first = HostKernels.Open(), device = Share(first, true);
        using ReferenceDevice reference = TestDevice.Reference();

        (float[] y, float[] hidden) = Scan(device, rows, channels, rank, hasOptions);

        (float[] expected, float[] expectedHidden) = Scan(reference, rows, channels, rank, hasOptions);
        y.ShouldBeClose(expected, 2e-6);
        hidden.ShouldBeClose(expectedHidden, 2e-6);
        device.LaunchesInCudaC.Should().Be(1);
    }

    [Theory]
    [InlineData(1, 3, 8, 1, 128, true)]
    [InlineData(3, 4, 20, 2, 64, false)]
    [InlineData(2, 1, 12, 1, 200, true)]
    public void A_token_of_the_SSD_matches_the_reference(
        int rows, int heads, int headDim, int groups, int states, bool hasOptions)
    {
        using GpuDevice first = HostKernels.Open(), device = Share(first, true);
        using ReferenceDevice reference = TestDevice.Reference();

        (float[] y, float[] hidden) = Ssd(device, rows, heads, headDim, groups, states, hasOptions);

        (float[] expected, float[] expectedHidden) =
            Ssd(reference, rows, heads, headDim, groups, states, hasOptions);
        y.ShouldBeClose(expected, 2e-6);
        hidden.ShouldBeClose(expectedHidden, 2e-6);
        device.LaunchesInCudaC.Should().Be(1);
    }

    [Theory]
    [InlineData(1, 1536, 1536, false)]
    [InlineData(3, 4100, 820, true)]
    public void A_gated_norm_matches_the_reference(int rows, int width, int groupSize, bool isNormFirst)
    {
        using GpuDevice first = HostKernels.Open(), device = Share(first, true);
        using ReferenceDevice reference = TestDevice.Reference();

        float[] y = GatedNorm(device);

        y.ShouldBeClose(GatedNorm(reference), 1.0 / 256, "y");
        device.LaunchesInCudaC.Should().Be(1);

        float[] GatedNorm(Device tested)
        {
            using DeviceScope scope = tested.Scope();
            DeviceArray both = Narrow(tested, [rows, 1, 2 * width], 1);
            return Functions.GatedRmsNorm(
                both.Slice(width, width), both.Slice(0, width), tested.Array([width], Samples.Normal(2, width)),
                default, 1e-5f, groupSize, isNormFirst).ToArray();
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_text_has_the_same_bits_in_every_batch_and_in_slots(bool isSecond)
    {
        const int Texts = CudaDecode.MostRows, Steps = 2;
        MixerOptions mixer = isSecond
            ? new Mamba2MixerOptions { ModelDim = 64, HeadDim = 32, StateDim = 16 }
            : new MambaMixerOptions { ModelDim = 64 };
        LanguageModelConfig config = new() { VocabularySize = 40, VocabularyMultiple = 8, Layers = [mixer] };
        int width = config.PaddedVocabularySize;
        using GpuDevice first = HostKernels.Open(), device = Share(first, true);
        using MambaLanguageModel model = new(device, config, new Random(1));
        model.Narrow();
        float[] all = Logits(Texts, [.. Enumerable.Range(0, Texts)], null);
        foreach (int count in (int[])[1, 8, 9])
        {
            long before = device.LaunchesInCudaC;

            float[] some = Logits(count, [.. Enumerable.Range(0, count)], null);

            some.ShouldHaveTheBitsOf(all[..(count * width)]);
            long ofStep = (device.LaunchesInCudaC - before) / Steps;
            ofStep.Should().Be(count <= CudaDecode.MostNormedRows ? 5 : 7, "four for the layer, one for the head");
        }

        int[] rows = [5, 63, 2];
        float[] inSlots = Logits(Texts, rows, StateSlots.Of(rows));
        for (int i = 0; i < rows.Length; i++)
        {
            inSlots[(i * width)..((i + 1) * width)]
                .ShouldHaveTheBitsOf(all[(rows[i] * width)..((rows[i] + 1) * width)]);
        }

        float[] Logits(int batch, int[] texts, StateSlots? slots)
        {
            using ModelState state = model.CreateState(batch);
            float[] logits = new float[texts.Length * width];
            for (int step = 0; step < Steps; step++)
            {
                model.Step([.. texts.Select(text => (text + step) % 40)], state, logits, slots);
            }

            return logits;
        }
    }

    private static GpuDevice Share(GpuDevice first, bool isCudaC) =>
        first.Share(new() { Precision = Precision.BFloat16, CudaKernels = isCudaC });

    /// <summary>A step's first half, with float32 outputs; columns 8 to 32 of 40 are convolved.</summary>
    private static (float[] Convolved, float[] Others, float[] Window, float[] Sum) Input(
        GpuDevice device, int rows, int depth, int taps, bool hasUpdate)
    {
        const int Width = 40, Start = 8, Channels = 24;
        using DeviceScope scope = device.Scope();
        DeviceArray residual = device.Array([rows, 1, depth], Samples.Normal(1, rows * depth));
        DeviceArray update = Narrow(device, [rows, 1, depth], 2);
        NormOperation norm = new NormOperation
        {
            X = hasUpdate ? update : residual,
            Residual = hasUpdate ? residual : default,
            Weight = device.Array([depth], Samples.Normal(3, depth)),
            Epsilon = 1e-5f,
        }.Prepare(device, keep: false);
        LinearOperation linear = new()
        {
            X = norm.Y,
            Weight = Narrow(device, [Width, depth], 4),
            Bias = device.Array([Width], Samples.Normal(5, Width)),
            Y = device.Zeros([rows, 1, Width]),
        };
        int[] slots = [.. Enumerable.Range(0, rows).Select(row => rows - row)];
        DeviceArray window = device.Array(
            [rows + 1, taps - 1, Channels], Samples.Normal(6, (rows + 1) * (taps - 1) * Channels));
        ConvolutionOperation convolution = new ConvolutionOperation
        {
            X = linear.Y.Slice(Start, Channels),
            Weight = device.Array([taps, Channels], Samples.Normal(7, taps * Channels)),
            Bias = device.Array([Channels], Samples.Normal(8, Channels)),
            Silu = hasUpdate,
            IsCausal = true,
            InitialWindow = window,
            FinalWindow = window,
            Slots = hasUpdate ? StateSlots.Of(slots) : StateSlots.Of([.. slots.Select(slot => slot - 1)]),
        }.Prepare(device, keep: false);

        device.StepInput(norm, linear, convolution);

        float[] others =
        [
            .. ValuesOf(linear.Y.Slice(0, Start)),
            .. ValuesOf(linear.Y.Slice(Start + Channels, Width - Start - Channels)),
        ];
        return (convolution.Y.ToArray(), others, window.ToArray(), norm.Normalized.ToArray());
    }

    /// <summary>A step's second half; the second text's state comes first.</summary>
    private static (float[] Y, float[] Hidden) Scan(
        Device device, int rows, int channels, int rank, bool hasOptions)
    {
        const int States = CudaDecode.States;
        using DeviceScope scope = device.Scope();
        DeviceArray selected = Narrow(device, [rows, 1, rank + (2 * States)], 1);
        LinearOperation timeStep = new()
        {
            X = selected.Slice(0, rank),
            Weight = Narrow(device, [channels, rank], 2, 0.3f),
            Y = device.Zeros([rows, 1, channels]),
        };
        DeviceArray hidden = device.Array(
            [rows + 1, States, channels], Samples.Normal(3, (rows + 1) * States * channels));
        ScanInputs inputs = new()
        {
            X = Narrow(device, [rows, 1, channels], 4),
            Delta = timeStep.Y,
            B = selected.Slice(rank, States),
            C = selected.Slice(rank + States, States),
            Z = hasOptions ? Narrow(device, [rows, 1, 2 * channels], 5).Slice(channels, channels) : default,
            D = hasOptions ? device.Array([channels], Samples.Normal(6, channels)) : default,
            DeltaBias = hasOptions ? device.Array([channels], Samples.Normal(7, channels)) : default,
            A = device.Array(
                [States, channels], [.. Samples.Normal(8, States * channels).Select(a => -Math.Abs(a))]),
            Softplus = true,
        };
        if (hasOptions)
        {
            inputs = inputs with { ALog = device.Array([States, channels], Samples.Normal(8, States * channels)) };
        }

        ScanOperation scan = new ScanOperation
        {
            Inputs = inputs.AsToken(hidden),
            Slots = StateSlots.Of([.. Enumerable.Range(0, rows).Select(row => rows - row)]),
            FinalState = hidden,
        }.Prepare(device, keep: false) with { Y = device.Zeros([rows, 1, channels]) }; // not rounded

        device.StepScan(timeStep, scan);

        return (scan.Y.ToArray(), hidden.ToArray());
    }

    /// <summary>One token of the SSD; the second text's state comes first.</summary>
    private static (float[] Y, float[] Hidden) Ssd(
        Device device, int rows, int heads, int headDim, int groups, int states, bool hasOptions)
    {
        using DeviceScope scope = device.Scope();
        (int width, int shared) = (heads * headDim, groups * states);
        DeviceArray xbc = Narrow(device, [rows, 1, width + (2 * shared)], 1);
        int count = (rows + 1) * width * states;
        DeviceArray hidden = device.Array([rows + 1, heads, headDim, states], Samples.Normal(2, count));
        SsdInputs inputs = new()
        {
            X = xbc.Slice(0, width),
            B = xbc.Slice(width, shared),
            C = xbc.Slice(width + shared, shared),
            Delta = Narrow(device, [rows, 1, heads + 1], 3).Slice(1, heads),
            A = device.Array([heads], [.. Samples.Normal(4, heads).Select(a => -Math.Abs(a))]),
            D = hasOptions ? device.Array([width], Samples.Normal(5, width)) : device.Array(
                [heads], Samples.Normal(5, heads)),
            Z = hasOptions ? Narrow(device, [rows, 1, width], 6) : default,
            DeltaBias = hasOptions ? device.Array([heads], Samples.Normal(7, heads)) : default,
            Softplus = true,
            DeltaMax = hasOptions ? 0.7f : float.PositiveInfinity,
            Groups = groups,
        };
        if (hasOptions)
        {
            inputs = inputs with { ALog = device.Array([heads], Samples.Normal(4, heads)) };
        }

        SsdOperation ssd = new SsdOperation
        {
            Inputs = inputs.AsToken(hidden),
            Slots = StateSlots.Of([.. Enumerable.Range(0, rows).Select(row => rows - row)]),
            FinalState = hidden,
        }.Prepare(device, keep: false) with { Y = device.Zeros([rows, 1, width]) }; // not rounded

        device.Ssd(ssd);

        return (ssd.Y.ToArray(), hidden.ToArray());
    }

    private static float[] ValuesOf(DeviceArray slice) => Functions.Contiguous(slice).ToArray();

    /// <summary>Numbers that bfloat16 has, and in bfloat16 on a GPU.</summary>
    private static DeviceArray Narrow(Device device, Shape shape, int seed, float scale = 1)
    {
        float[] values = [.. Samples.Normal(seed, (int)shape.Count).Select(value => BitConverter.Int32BitsToSingle(
            BitConverter.SingleToInt32Bits(scale * value) & unchecked((int)0xFFFF0000)))];
        DeviceArray stored = device.Allocate(shape, device is GpuDevice ? Precision.BFloat16 : Precision.Float32);
        device.Copy(device.Array(shape, values), stored);
        return stored;
    }
}
