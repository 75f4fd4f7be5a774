using Mamba.Devices;
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
    /// <remarks>
    /// The decays come from a second SSD with one channel and one state per head, a state of ones and zero inputs.
    /// </remarks>
    public static SpanSummary SummarizeSsd(in SsdInputs inputs, Segments? segments = null)
    {
        Device device = Require(inputs.X);
        SsdInputs span = inputs with { InitialState = default, Z = default, D = default, DiagonalScale = default };
        DeviceArray state = Ssd(span, segments).FinalState;
        (int sequences, int heads) = (state.Shape[0], state.Shape[1]);
        DeviceArray coupling = Filled(device, inputs.X.Shape.WithWidth(inputs.Groups), 0f);
        DeviceArray decay = Ssd(
            span with
            {
                X = Filled(device, inputs.X.Shape.WithWidth(heads), 0f),
                B = coupling,
                C = coupling,
                InitialState = Filled(device, [sequences, heads, 1, 1], 1f),
            },
            segments).FinalState;
        return new(decay, state, isComplex: false);
    }

    private static DeviceArray Filled(Device device, Shape shape, float value)
    {
        DeviceArray array = device.AllocateOutput(shape);
        device.Fill(array, value);
        return array;
    }
}
