using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>
    /// Computes attention, <c>softmax(q·kᵀ/√P)·v</c>: a token sees its past and itself, the last keys of these in a
    /// window, or all keys, of its own text or of another (cross-attention).
    /// </summary>
    /// <param name="inputs">Queries, keys, values, those of the past, and what a token sees.</param>
    /// <param name="segments">Packed sequences, which never see each other; null: one sequence a row.</param>
    /// <returns>Shape [batch, length, heads·headDim].</returns>
    /// <exception cref="ArgumentException">The shapes do not fit each other.</exception>
    /// <remarks>Vaswani et al., <see href="https://arxiv.org/abs/1706.03762"/>, eq. 1.</remarks>
    public static DeviceArray Attention(in AttentionInputs inputs, Segments? segments = null) =>
        Run(Require(inputs.Queries), new AttentionOperation { Inputs = inputs, Segments = segments }).Y;

    /// <summary>Turns pairs of entries of every head by their token's position.</summary>
    /// <param name="x">Shape [batch, length, heads·headDim].</param>
    /// <param name="options">Which entries turn, and how fast.</param>
    /// <param name="segments">Packed sequences, each counted from its own start; null: one sequence a row.</param>
    /// <returns>The same shape.</returns>
    /// <exception cref="ArgumentException">The shape and the options do not fit.</exception>
    /// <remarks>Su et al., <see href="https://arxiv.org/abs/2104.09864"/>, eq. 34.</remarks>
    public static DeviceArray Rotary(DeviceArray x, RotaryOptions options, Segments? segments = null) =>
        Rotary(x, options, segments, default, null);

    /// <summary>Turns pairs of entries of every head, with a position for each sequence's first token.</summary>
    /// <param name="x">Shape [batch, length, heads·headDim].</param>
    /// <param name="options">Which entries turn, and how fast.</param>
    /// <param name="segments">Packed sequences, each counted from its own start; null: one sequence a row.</param>
    /// <param name="offsets">
    /// What is added to the positions of each sequence, 0 or more; with slots, of each row of the pool. Empty: nothing.
    /// It is not changed while a tape may go backward.
    /// </param>
    /// <param name="slots">Which rows of the pool the sequences have; null: one for each, in their order.</param>
    /// <returns>The same shape.</returns>
    /// <exception cref="ArgumentException">The shape, the options, the offsets and the slots do not fit.</exception>
    /// <remarks>Su et al., <see href="https://arxiv.org/abs/2104.09864"/>, eq. 34.</remarks>
    public static DeviceArray Rotary(
        DeviceArray x, RotaryOptions options, Segments? segments, ReadOnlyMemory<int> offsets, StateSlots? slots = null)
        => Run(
            Require(x),
            new RotaryOperation { X = x, Options = options, Segments = segments, Offsets = offsets, Slots = slots }).Y;

    /// <summary>Writes the tokens of sequences behind those that a cache holds, in place, without a gradient.</summary>
    internal static void Append(
        DeviceArray x, DeviceArray cache, ReadOnlyMemory<int> lengths, Segments? segments, StateSlots? slots)
    {
        AppendOperation append = new()
        {
            X = x, Cache = cache, Lengths = lengths, Segments = segments, Slots = slots,
        };
        if (Tape.Follows(append))
        {
            throw new InvalidOperationException("Appending overwrites a cache and has no gradient.");
        }

        Run(Require(x), append);
    }
}
