using System.Runtime.CompilerServices;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Exchanges two axes.</summary>
    /// <param name="x">The input, such as [batch, length, channels].</param>
    /// <param name="a">An axis; negative values count from the end, -1 is the last.</param>
    /// <param name="b">Another axis.</param>
    /// <returns>x with axes a and b exchanged; a view if no element moves, otherwise a copy.</returns>
    /// <exception cref="ArgumentOutOfRangeException">x has no such axis.</exception>
    /// <example>
    /// Mixes channels in place of tokens; x has shape [batch, length, channels]:
    /// <code>
    /// DeviceArray y = Functions.SwapAxes(mixer.Forward(Functions.SwapAxes(x, 1, 2)), 1, 2);
    /// </code>
    /// </example>
    public static DeviceArray SwapAxes(DeviceArray x, int a, int b)
    {
        Require(x);
        int first = AxisOf(x, a), second = AxisOf(x, b);
        Span<int> axes = stackalloc int[x.Shape.Rank];
        for (int i = 0; i < axes.Length; i++)
        {
            axes[i] = i == first ? second : i == second ? first : i;
        }

        return PermuteTo(x, axes);
    }

    /// <summary>Permutes the axes.</summary>
    /// <param name="x">The input, such as [batch, height, width, channels].</param>
    /// <param name="axes">
    /// For each axis of the result, the axis of x; every axis once. Negative values count from the end.
    /// </param>
    /// <returns>x with its axes in that order; a view if no element moves, otherwise a copy.</returns>
    /// <exception cref="ArgumentException">An axis is missing or repeated.</exception>
    /// <exception cref="ArgumentOutOfRangeException">x has no such axis.</exception>
    /// <example>
    /// [batch, height, width, channels] to [batch, channels, height, width]:
    /// <code>
    /// DeviceArray y = Functions.Permute(x, 0, 3, 1, 2);
    /// </code>
    /// </example>
    public static DeviceArray Permute(DeviceArray x, params ReadOnlySpan<int> axes)
    {
        Require(x);
        Span<int> order = stackalloc int[Shape.MaxRank];
        int seen = 0, rank = x.Shape.Rank;
        for (int i = 0; i < axes.Length && i < rank; i++)
        {
            order[i] = AxisOf(x, axes[i], nameof(axes));
            seen |= 1 << order[i];
        }

        return axes.Length == rank && seen == (1 << rank) - 1
            ? PermuteTo(x, order[..rank])
            : throw new ArgumentException(
                $"Expected each of the {rank} axes of {x.Shape} once; found [{string.Join(", ", axes.ToArray())}].",
                nameof(axes));
    }

    /// <summary>Computes <c>e^x[i] / Σ_k e^x[k]</c> along an axis.</summary>
    /// <param name="x">The logits, such as [batch, length, channels].</param>
    /// <param name="axis">The axis; negative values count from the end, -1 is the last.</param>
    /// <returns>An array of the same shape, with sum 1 along the axis.</returns>
    /// <exception cref="ArgumentOutOfRangeException">x has no such axis.</exception>
    public static DeviceArray Softmax(DeviceArray x, int axis)
    {
        Device device = Require(x);
        int index = AxisOf(x, axis);
        return index == x.Shape.Rank - 1
            ? Softmax(x)
            : Run(device, new SoftmaxAxisOperation { X = Contiguous(x), View = AxisView.Of(x.Shape, index) }).Y;
    }

    /// <summary>
    /// Moves axes to their places, first to last. Axes that stay adjacent move as one block, so most orders need one
    /// copy.
    /// </summary>
    private static DeviceArray PermuteTo(DeviceArray x, ReadOnlySpan<int> axes)
    {
        // The axis of x at each position of y.
        Span<int> current = stackalloc int[axes.Length], moved = stackalloc int[axes.Length];
        for (int i = 0; i < current.Length; i++)
        {
            current[i] = i;
        }

        DeviceArray y = x;
        for (int to = 0; to < axes.Length; to++)
        {
            int from = current.IndexOf(axes[to]), end = from + 1;
            if (from == to)
            {
                continue;
            }

            while (end < axes.Length && current[end] == axes[to + end - from])
            {
                end++;
            }

            current[from..end].CopyTo(moved[to..]);
            current[to..from].CopyTo(moved[(to + end - from)..]);
            y = SwapBlocks(y, to, from, end);
            moved[to..end].CopyTo(current[to..]);
        }

        return y;
    }

    /// <summary>Exchanges the blocks of axes [first, second) and [second, end).</summary>
    private static DeviceArray SwapBlocks(DeviceArray x, int first, int second, int end)
    {
        Span<int> sizes = stackalloc int[Shape.MaxRank];
        int rank = x.Shape.Rank;
        for (int i = 0; i < rank; i++)
        {
            int from = i < first + end - second ? i + second - first : i - end + second;
            sizes[i] = x.Shape[i < first || i >= end ? i : from];
        }

        Shape shape = Shape.Create(sizes[..rank]);
        SwapView view = new(
            AxisView.Product(x.Shape, 0, first),
            AxisView.Product(x.Shape, first, second),
            AxisView.Product(x.Shape, second, end),
            AxisView.Product(x.Shape, end, rank));
        DeviceArray whole = Contiguous(x);
        return view.First == 1 || view.Second == 1
            ? whole.Reshape(shape)
            : Run(x.Device, new SwapOperation { X = whole, View = view, Shape = shape }).Y;
    }
}
