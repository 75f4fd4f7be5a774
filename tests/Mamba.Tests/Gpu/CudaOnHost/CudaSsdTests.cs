using Mamba.Autograd;
using Mamba.Gpu;
using Mamba.Gpu.Cuda;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Tests.Kernels;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Gpu.CudaOnHost;

/// <summary>The SSD's kernels in CUDA C, compiled by g++ and run on the host. See <see cref="Thorough"/>.</summary>
public sealed class CudaSsdTests
{
    // Factors have eight bits: x, B, C and products of them, states before chunks, and outputs.
    private const double Tolerance = 1e-2;

    private static readonly SsdCase Usual = new() { HeadDim = 64, States = 64, Precision = Precision.BFloat16 };

    public CudaSsdTests()
    {
        Assert.SkipUnless(Thorough.IsAsked, Thorough.Reason);
        Assert.SkipUnless(HostKernels.IsPossible, "The kernels run on the host of Linux with g++.");
    }

    public static TheoryData<string> Names => [.. Cases.Keys];

    private static Dictionary<string, SsdCase> Cases => new()
    {
        ["several chunks, gated"] = Usual with { Length = 150, HasZ = true },
        ["groups, packed, D of channels, slices"] = Usual with
        {
            Heads = 4, Groups = 2, States = 128, Length = 340, Segments = [130, 5, 0, 40, 16, 149], HasChannelD = true,
            HasZ = true, Margin = 8,
        },
        ["odd heads"] = Usual with { Heads = 3, Length = 33, Batch = 2, IsALog = true },
        ["odd heads of 128 states"] = Usual with { Heads = 1, States = 128, Length = 140, HasInitialState = false },
        ["given decays and diagonal"] = Usual with { Length = 140, HasLogDecay = true, HasDiagonalScale = true },
        ["limits, neither D nor bias"] = Usual with
        {
            Length = 20, HasD = false, HasBias = false, Softplus = false, DeltaMin = 0.2f, DeltaMax = 0.9f,
        },
        ["strong decays"] = Usual with { Length = 270, Decay = 3000 },
        ["256 states"] = Usual with { States = 256, Length = 140, HasZ = true },
        ["128 channels, 64 states"] = Usual with { HeadDim = 128, Length = 140 },
        ["128 channels and states"] = Usual with { HeadDim = 128, States = 128, Length = 40, HasZ = true },
    };

    [Theory]
    [MemberData(nameof(Names))]
    public void Outputs_and_states_match_the_reference(string name) => ShouldMatchTheReference(Cases[name], 3);

    [Fact]
    public void A_sequence_of_two_spans_matches_the_reference() => ShouldMatchTheReference(
        Usual with { Heads = 1, Length = (CudaSsd.SpanLength * CudaSsd.ChunkLength) + 130, Decay = 0.02 }, 5);

    [Fact]
    public void An_A_of_minus_infinity_clears_the_state()
    {
        SsdCase ssd = Usual with { Length = 40 };
        Dictionary<string, float[]> values = ssd.Values();
        values["A"][1] = float.NegativeInfinity;
        ShouldMatchTheReference(ssd, 3, values);
    }

    [Fact]
    public void The_bits_of_a_sequence_do_not_depend_on_the_batch()
    {
        SsdCase batch = Usual with { Batch = 2, Length = 150, HasZ = true };
        using GpuDevice device = HostKernels.Open();
        SsdInputs inputs = batch.On(device, batch.Values());

        (DeviceArray y, DeviceArray state) = Functions.Ssd(inputs);

        SsdInputs second = inputs.MapTokens(array => SecondOf(device, array));
        (DeviceArray alone, DeviceArray stateAlone) = Functions.Ssd(
            second with { InitialState = SecondOf(device, inputs.InitialState) });
        alone.ToArray().ShouldHaveTheBitsOf(SecondOf(device, y).ToArray());
        stateAlone.ToArray().ShouldHaveTheBitsOf(SecondOf(device, state).ToArray());
    }

    [Fact]
    public void A_later_token_changes_no_bit_of_an_earlier_output()
    {
        const int Changed = 137;
        SsdCase one = Usual with { Length = 150 };
        Dictionary<string, float[]> values = one.Values();
        using GpuDevice device = HostKernels.Open();
        float[] before = one.Forward(device, values).Y.ToArray();

        foreach (string name in (string[])["X", "Delta", "B", "C"])
        {
            values[name][(Changed * (values[name].Length / one.Length)) + 1] += 3f;
        }

        float[] after = one.Forward(device, values).Y.ToArray();
        int channels = one.Heads * one.HeadDim, same = Changed * channels;
        after[..same].ShouldHaveTheBitsOf(before[..same]);
        after[same..(same + channels)].Should().NotEqual(before[same..(same + channels)]);
    }

    /// <summary>Rows that start between multiples of 16 bytes, float32 rows, and heads without kernels.</summary>
    [Fact]
    public void ILGPU_computes_what_these_kernels_do_not_take()
    {
        ShouldMatchTheReference(Usual with { Length = 12, Margin = 3 }, 0);
        ShouldMatchTheReference(Usual with { Length = 12, Precision = Precision.Float32 }, 0);
        ShouldMatchTheReference(Usual with { Length = 12, HeadDim = 32 }, 0);
    }

    private static DeviceArray SecondOf(GpuDevice device, DeviceArray batch)
    {
        Shape shape = batch.Shape;
        float[] values = batch.ToArray();
        Shape ofHalf = shape.Rank == 3 ? [1, shape[1], shape[2]] : [1, shape[1], shape[2], shape[3]];
        DeviceArray half = device.Allocate(ofHalf, batch.Precision);
        half.CopyFrom(values.AsSpan(values.Length / 2));
        return half;
    }

    private static void ShouldMatchTheReference(
        SsdCase ssd, int launches, Dictionary<string, float[]>? values = null)
    {
        using GpuDevice device = HostKernels.Open();
        using ReferenceDevice reference = TestDevice.Reference();

        (DeviceArray y, DeviceArray state) = ssd.Forward(device, values);

        (DeviceArray expected, DeviceArray expectedState) = ssd.Forward(reference, values);
        y.ToArray().ShouldBeClose(ReferenceDevice.Exact(expected), Tolerance, "y");
        state.ToArray().ShouldBeClose(ReferenceDevice.Exact(expectedState), Tolerance, "state");
        device.LaunchesInCudaC.Should().Be(launches);
    }
}
