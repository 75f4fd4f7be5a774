using Mamba.Memory;

namespace Mamba.Autograd;

/// <summary>
/// What a span of tokens does to the state of a scan, whatever the state before it: <c>after = Decay·before + State</c>.
/// </summary>
/// <remarks>
/// Summaries of neighbouring spans combine associatively, which is what a parallel scan rests on (Blelloch, "Prefix sums
/// and their applications", 1990). So a sequence that is too long for one machine can be divided: each part is
/// summarised, the summaries are exchanged, and each part is scanned from the state that the parts before it leave.
/// Gradients flow through all of it.
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
    /// What is left of the state before the span: the shape of the state for a selective scan, [sequences, heads, 1, 1]
    /// for an SSD.
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

    /// <summary>Summarises this span and the one behind it as one.</summary>
    /// <param name="next">The span behind it, of the same layer and sequences.</param>
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
