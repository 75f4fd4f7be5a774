using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>Finds the axes along which a smaller array is repeated to fit a larger one.</summary>
internal static class Broadcasting
{
    /// <summary>Whether a smaller shape fits a larger one, and if not, why.</summary>
    public enum Fit
    {
        /// <summary>One block of neighbouring axes is repeated.</summary>
        Fits,

        /// <summary>Two blocks, with axes between them, would have to be repeated.</summary>
        TwoBlocks,

        /// <summary>An axis has another size, not 1.</summary>
        Differs,
    }

    /// <summary>Compares two shapes from the last axis on; missing leading axes count as 1.</summary>
    /// <param name="small">The shape with sizes of 1, or fewer axes.</param>
    /// <param name="large">The other shape.</param>
    /// <param name="view">
    /// The block of axes of <paramref name="large"/> along which <paramref name="small"/> is repeated.
    /// </param>
    public static Fit Compare(Shape small, Shape large, out AxisView view)
    {
        (view, int missing, bool inside, int blocks) = (new(1, 1, 1), large.Rank - small.Rank, false, 0);
        if (missing < 0)
        {
            return Fit.Differs;
        }

        for (int axis = 0; axis < large.Rank; axis++)
        {
            int size = large[axis], own = axis < missing ? 1 : small[axis - missing];
            if (own != size && own != 1)
            {
                return Fit.Differs;
            }

            if (own != size)
            {
                blocks += inside ? 0 : 1;
                inside = true;
                view = view with { Count = view.Count * size };
            }
            else if (size != 1)
            {
                inside = false;
                view = blocks == 0
                    ? view with { Outer = view.Outer * size }
                    : view with { Inner = view.Inner * size };
            }
        }

        // Shapes that differ only by axes of size 1 have equal elements. One long row is fastest.
        view = blocks == 0 ? new(1, 1, view.Outer) : view;
        return blocks > 1 ? Fit.TwoBlocks : Fit.Fits;
    }

    /// <summary>The exception for two shapes that cannot be broadcast.</summary>
    public static ArgumentException Refusal(Shape a, Shape b)
    {
        bool hasTwoBlocks = Compare(a, b, out _) == Fit.TwoBlocks || Compare(b, a, out _) == Fit.TwoBlocks;
        return new(
            hasTwoBlocks
                ? $"Cannot combine {a} and {b}: one is repeated along two separate blocks of axes. Expand it along " +
                  "one of them first, for instance by Functions.Repeat."
                : $"Cannot combine {a} and {b}: expected equal shapes, or one with sizes of 1, or missing first " +
                  "axes, where the other has more.");
    }
}
