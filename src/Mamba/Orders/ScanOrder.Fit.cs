using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Orders;

/// <content>Checks whether an order fits an array.</content>
public sealed partial class ScanOrder
{
    /// <summary>Throws unless the order can be applied to an array.</summary>
    /// <param name="shape">The shape of the array, [batch, tokens, channels].</param>
    /// <param name="segments">Packed sequences, or null.</param>
    /// <param name="isOrdered">Whether the array is in the order of the steps, not of the grid.</param>
    /// <exception cref="ArgumentException">The order does not fit.</exception>
    internal void RequireFit(Shape shape, Segments? segments, bool isOrdered = false)
    {
        _ = new Sequences(shape, segments);
        if (!HasLength)
        {
            return;
        }

        if (segments is not null)
        {
            throw new ArgumentException(
                $"Expected {nameof(ScanOrder)}.{nameof(Forward)} or {nameof(Backward)} for packed sequences, whose " +
                $"lengths differ; found an order of {this}.");
        }

        int tokens = isOrdered ? Length : GridLength;
        if (shape[1] != tokens || (Samples > 1 && shape[0] != Samples))
        {
            throw new ArgumentException(
                $"Expected [{(Samples > 1 ? Samples : "batch")}, {tokens}, channels] for an order of {this}; found " +
                $"{shape}.");
        }
    }

    /// <summary>The positions for packed sequences, as indices into the whole batch.</summary>
    internal int[] Of(Segments segments)
    {
        int[] positions = [.. Enumerable.Range(0, segments.Tokens)];
        for (int i = 0; i < segments.Count && this == Backward; i++)
        {
            positions.AsSpan(segments.Offsets[i]..segments.Offsets[i + 1]).Reverse();
        }

        return positions;
    }
}
