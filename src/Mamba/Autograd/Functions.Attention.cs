using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>
    /// Computes attention, <c>softmax(q·kᵀ/√P + mask)·v</c>. A token sees its past and itself, optionally within a
    /// window, or all keys of its own or another sequence (cross-attention).
    /// </summary>
    /// <param name="inputs">Queries, keys, values, past keys and values, the mask, and what a token sees.</param>
    /// <param name="segments">Packed sequences, which do not see each other; null if every row is one sequence.</param>
    /// <returns>Shape [batch, length, heads·headDim].</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    /// <remarks>Vaswani et al., <see href="https://arxiv.org/abs/1706.03762"/>, eq. 1.</remarks>
    public static DeviceArray Attention(in AttentionInputs inputs, Segments? segments = null) =>
        Run(Require(inputs.Queries), new AttentionOperation { Inputs = inputs, Segments = segments }).Y;

    /// <summary>Rotates pairs of entries of every head by angles proportional to the token's position.</summary>
    /// <param name="x">Shape [batch, length, heads·headDim].</param>
    /// <param name="options">Which entries are rotated, and the frequencies.</param>
    /// <param name="segments">
    /// Packed sequences, each with positions from its own start; null if every row is one sequence.
    /// </param>
    /// <returns>The same shape.</returns>
    /// <exception cref="ArgumentException">The options do not fit the shape of x.</exception>
    /// <remarks>Su et al., <see href="https://arxiv.org/abs/2104.09864"/>, eq. 34.</remarks>
    public static DeviceArray Rotary(DeviceArray x, RotaryOptions options, Segments? segments = null) =>
        Rotary(x, options, segments, default, null);

    /// <summary>Rotates pairs of entries of every head, with a position offset for each sequence.</summary>
    /// <param name="x">Shape [batch, length, heads·headDim].</param>
    /// <param name="options">Which entries are rotated, and the frequencies.</param>
    /// <param name="segments">
    /// Packed sequences, each with positions from its own start; null if every row is one sequence.
    /// </param>
    /// <param name="offsets">
    /// Added to the positions of each sequence, 0 or more. With <paramref name="slots"/>, one offset for each row of
    /// the pool. Empty for no offsets. Must not change until the tape has gone backward.
    /// </param>
    /// <param name="slots">The row of the pool for each sequence; null if sequence i has row i.</param>
    /// <returns>The same shape.</returns>
    /// <exception cref="ArgumentException">The options, offsets or slots do not fit x.</exception>
    /// <remarks>Su et al., <see href="https://arxiv.org/abs/2104.09864"/>, eq. 34.</remarks>
    public static DeviceArray Rotary(
        DeviceArray x, RotaryOptions options, Segments? segments, ReadOnlyMemory<int> offsets, StateSlots? slots = null)
        => Run(
            Require(x),
            new RotaryOperation { X = x, Options = options, Segments = segments, Offsets = offsets, Slots = slots }).Y;

    /// <summary>Appends the tokens of each sequence to a cache, in place, without a gradient.</summary>
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
