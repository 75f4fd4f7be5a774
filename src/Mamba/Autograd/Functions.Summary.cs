using Mamba.Devices;
using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Summarises the effect of every sequence on the state of a selective scan.</summary>
    /// <param name="inputs">The inputs of the scan; the initial state, the gate and D have no effect.</param>
    /// <param name="segments">Packed sequences; null if every row of the batch is one sequence.</param>
    /// <returns>The summary of each sequence.</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    /// <remarks>Takes two scans: one from a state of zeros, and one of zero inputs from a state of ones.</remarks>
    public static SpanSummary SummarizeScan(in ScanInputs inputs, Segments? segments = null)
    {
        Device device = Require(inputs.X);
        ScanInputs span = inputs with { InitialState = default, Z = default, D = default };
        DeviceArray state = SelectiveScan(span, segments).FinalState;
        bool isComplex = inputs.GivenA.Shape.Rank == 3;
        int size = (int)state.Shape.Count / Math.Max(1, state.Shape[0]);
        DeviceArray ones = Filled(device, [state.Shape[0], size], 1f);
        if (isComplex)
        {
            device.Fill(ones.Slice(size / 2, size / 2), 0f);
        }

        DeviceArray decay = SelectiveScan(
            span with { X = Filled(device, inputs.X.Shape, 0f), InitialState = ones.Reshape(state.Shape) },
            segments).FinalState;
        return new(decay, state, isComplex);
    }

    /// <summary>Summarises the effect of every sequence on the state of an SSD.</summary>
    /// <param name="inputs">The inputs of the SSD; the initial state, the gate and D have no effect.</param>
    /// <param name="segments">Packed sequences; null if every row of the batch is one sequence.</param>
    /// <returns>The summary of each sequence.</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    /// <remarks>Takes one SSD: the decay of a span is e to the sum of its tokens' Δ·A, or of LogDecay.</remarks>
    public static SpanSummary SummarizeSsd(in SsdInputs inputs, Segments? segments = null)
    {
        Device device = Require(inputs.X);
        SsdInputs span = inputs with { InitialState = default, Z = default, D = default, DiagonalScale = default };
        DeviceArray state = Ssd(span, segments).FinalState;
        DeviceArray decay = Exp(SumOfTokens(LogDecaysOf(span), segments));
        return new(decay.Reshape([state.Shape[0], state.Shape[1], 1, 1]), state, isComplex: false);
    }

    /// <summary>The logarithm of every token's decay, in float32: [batch, length, heads].</summary>
    private static DeviceArray LogDecaysOf(in SsdInputs inputs)
    {
        Device device = inputs.X.Device;
        if (inputs.LogDecay.Exists)
        {
            return Zip<Elementwise.LogDecay>(Widened(inputs.LogDecay), device.Array([1], [1]));
        }

        DeviceArray delta = Widened(inputs.Delta);
        delta = inputs.DeltaBias.Exists ? Add(delta, inputs.DeltaBias) : delta;
        delta = inputs.Softplus ? Softplus(delta) : delta;
        delta = Zip<Elementwise.AtLeast>(delta, device.Array([1], [inputs.DeltaMin]));
        delta = float.IsPositiveInfinity(inputs.DeltaMax)
            ? delta
            : Zip<Elementwise.AtMost>(delta, device.Array([1], [inputs.DeltaMax]));
        return Zip<Elementwise.LogDecay>(delta, inputs.IsALog ? -Exp(inputs.GivenA) : inputs.GivenA);
    }

    private static DeviceArray Widened(DeviceArray x) =>
        x.Precision == Precision.Float32
            ? x
            : Run(x.Device, new CopyOperation { X = x, Precision = Precision.Float32 }).Y;

    /// <summary>Sums each sequence of [batch, length, heads]: [sequences, heads].</summary>
    private static DeviceArray SumOfTokens(DeviceArray x, Segments? segments)
    {
        if (segments is null)
        {
            return Sum(x, 1);
        }

        DeviceArray tokens = Contiguous(x).Reshape([segments.Tokens, x.Shape.Width]);
        DeviceArray[] sums = new DeviceArray[segments.Count];
        for (int i = 0; i < sums.Length; i++)
        {
            int start = segments.Offsets[i];
            sums[i] = Sum(Slice(tokens, 0, start, segments.Offsets[i + 1] - start), 0, keep: true);
        }

        return Concat(0, sums);
    }

    private static DeviceArray Filled(Device device, Shape shape, float value)
    {
        DeviceArray array = device.AllocateOutput(shape);
        device.Fill(array, value);
        return array;
    }
}
