using Mamba.Memory;

namespace Mamba.Autograd;

/// <summary>
/// The effect of a span of tokens on the state of a scan, <c>after = Decay·before + State</c> for any state before it.
/// </summary>
/// <remarks>
/// Summaries of neighbouring spans combine associatively, the basis of parallel scans (Blelloch, "Prefix sums and their
/// applications", 1990). A sequence that is too long for one machine can therefore be split: each part is summarised,
/// the summaries are exchanged, and each part is scanned from the state after the parts before it. Gradients flow
/// through all steps.
/// </remarks>
/// <example>
/// <code>
/// SpanSummary first = Functions.SummarizeScan(firstInputs);
/// DeviceArray between = first.After(initialState);
/// (DeviceArray y, DeviceArray final) = Functions.SelectiveScan(secondInputs with { InitialState = between });
/// </code>
/// </example>
public readonly record struct SpanSummary
{
    private readonly bool _isComplex;

    internal SpanSummary(DeviceArray decay, DeviceArray state, bool isComplex) =>
        (Decay, State, _isComplex) = (decay, state, isComplex);

    /// <summary>
    /// The factor of the state before the span: in the shape of the state for a selective scan,
    /// [sequences, heads, 1, 1] for an SSD.
    /// </summary>
    public DeviceArray Decay { get; }

    /// <summary>The state after the span, from a state of zeros.</summary>
    public DeviceArray State { get; }

    /// <summary>Computes the state after the span.</summary>
    /// <param name="before">The state before it, in the shape of <see cref="State"/>.</param>
    /// <returns>The same shape.</returns>
    /// <exception cref="ArgumentException">The state has another shape.</exception>
    public DeviceArray After(DeviceArray before)
    {
        DeviceArray.Require(nameof(before), before, State.Shape);
        return Times(before) + State;
    }

    /// <summary>Combines this span and the next one.</summary>
    /// <param name="next">The next span, of the same layer and sequences.</param>
    /// <returns>The summary of both.</returns>
    /// <exception cref="ArgumentException">The states have different shapes.</exception>
    public SpanSummary Then(in SpanSummary next) =>
        new(next.Times(Decay), next.After(State), _isComplex);

    private DeviceArray Times(DeviceArray state)
    {
        if (!_isComplex)
        {
            return state * Decay;
        }

        DeviceArray real = Functions.Slice(Decay, 1, 0, 1), imaginary = Functions.Slice(Decay, 1, 1, 1);
        DeviceArray stateReal = Functions.Slice(state, 1, 0, 1), stateImaginary = Functions.Slice(state, 1, 1, 1);
        return Functions.Concat(
            1,
            (real * stateReal) - (imaginary * stateImaginary),
            (real * stateImaginary) + (imaginary * stateReal));
    }
}
