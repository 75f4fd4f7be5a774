using System.Runtime.CompilerServices;
using Mamba.Devices;
using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes the sum of all elements.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of one element; 0 if x is empty.</returns>
    public static DeviceArray Sum(DeviceArray x) => ScaledSum(x, 1);

    /// <summary>Computes the mean of all elements.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of one element; NaN if x is empty.</returns>
    public static DeviceArray Mean(DeviceArray x) => ScaledSum(x, 1 / (double)x.Shape.Count);

    /// <summary>Computes the sum along an axis.</summary>
    /// <param name="x">The input, such as [batch, length, channels].</param>
    /// <param name="axis">The axis; negative values count from the end, -1 is the last.</param>
    /// <param name="keep">Whether to keep the axis with size 1, so that the result broadcasts against x.</param>
    /// <returns>
    /// The sums, in the shape of x without the axis; [1] if x has one axis. 0 if the axis has no elements.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">x has no such axis.</exception>
    /// <remarks>
    /// The order of addition depends on the shape alone. The error does not grow with the number of terms.
    /// </remarks>
    public static DeviceArray Sum(DeviceArray x, int axis, bool keep = false) => ScaledSum(x, axis, keep, mean: false);

    /// <summary>Computes the mean along an axis.</summary>
    /// <param name="x">The input, such as [batch, length, channels].</param>
    /// <param name="axis">The axis; negative values count from the end, -1 is the last.</param>
    /// <param name="keep">Whether to keep the axis with size 1, so that the result broadcasts against x.</param>
    /// <returns>
    /// The means, in the shape of x without the axis; [1] if x has one axis. NaN if the axis has no elements.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">x has no such axis.</exception>
    /// <example>
    /// Subtracts from each channel its mean over the tokens; x has shape [batch, length, channels]:
    /// <code>
    /// DeviceArray centered = x - Functions.Mean(x, 1, keep: true);
    /// </code>
    /// </example>
    public static DeviceArray Mean(DeviceArray x, int axis, bool keep = false) => ScaledSum(x, axis, keep, mean: true);

    /// <summary>Computes the largest number along an axis.</summary>
    /// <param name="x">The input, such as [batch, length, channels].</param>
    /// <param name="axis">
    /// The axis, of at least one element; negative values count from the end, -1 is the last.
    /// </param>
    /// <param name="keep">Whether to keep the axis with size 1, so that the result broadcasts against x.</param>
    /// <returns>The largest numbers, in the shape of x without the axis; [1] if x has one axis.</returns>
    /// <exception cref="ArgumentException">The axis has no elements.</exception>
    /// <exception cref="ArgumentOutOfRangeException">x has no such axis.</exception>
    /// <remarks>NaN if the axis contains one. The gradient goes to the first of equal numbers.</remarks>
    public static DeviceArray Max(DeviceArray x, int axis, bool keep = false) => Extremum(x, axis, keep, largest: true);

    /// <summary>Computes the smallest number along an axis.</summary>
    /// <param name="x">The input, such as [batch, length, channels].</param>
    /// <param name="axis">
    /// The axis, of at least one element; negative values count from the end, -1 is the last.
    /// </param>
    /// <param name="keep">Whether to keep the axis with size 1, so that the result broadcasts against x.</param>
    /// <returns>The smallest numbers, in the shape of x without the axis; [1] if x has one axis.</returns>
    /// <exception cref="ArgumentException">The axis has no elements.</exception>
    /// <exception cref="ArgumentOutOfRangeException">x has no such axis.</exception>
    /// <remarks>NaN if the axis contains one. The gradient goes to the first of equal numbers.</remarks>
    public static DeviceArray Min(DeviceArray x, int axis, bool keep = false) =>
        Extremum(x, axis, keep, largest: false);

    /// <summary>Computes <c>log Σ_i e^x[i]</c> along an axis.</summary>
    /// <param name="x">The input, such as [batch, length, channels].</param>
    /// <param name="axis">
    /// The axis, of at least one element; negative values count from the end, -1 is the last.
    /// </param>
    /// <param name="keep">Whether to keep the axis with size 1, so that the result broadcasts against x.</param>
    /// <returns>An array in the shape of x without the axis; [1] if x has one axis.</returns>
    /// <exception cref="ArgumentException">The axis has no elements.</exception>
    /// <exception cref="ArgumentOutOfRangeException">x has no such axis.</exception>
    /// <remarks>
    /// Computed as <c>m + log Σ_i e^(x[i] - m)</c>, where m is the maximum: e^x overflows at x = 89. The gradient is
    /// the softmax.
    /// </remarks>
    public static DeviceArray LogSumExp(DeviceArray x, int axis, bool keep = false)
    {
        Device device = Require(x);
        Shape shape = Without(x.Shape, AxisOf(x, axis), keep);
        DeviceArray largest;
        using (Tape.Suspend(device))
        {
            // The maximum is clamped to finite numbers, because ∞ - ∞ is NaN.
            largest = Map<Elementwise.Finite>(Max(x, axis, keep: true));
        }

        DeviceArray sum = Sum(Zip<Elementwise.ExpOfDifference>(x, largest), axis, keep: true);
        return Add(Log(sum), largest).Reshape(shape);
    }

    /// <summary>Computes <c>factor·x</c>.</summary>
    /// <param name="x">The input.</param>
    /// <param name="factor">The factor.</param>
    /// <returns>An array of the same shape.</returns>
    public static DeviceArray Scale(DeviceArray x, float factor) =>
        Run(Require(x), new ScaleOperation { X = x, Factor = factor }).Y;

    /// <summary>Multiplies by a constant; by 1, returns x itself.</summary>
    internal static DeviceArray Scaled(DeviceArray x, float factor) => factor == 1 ? x : Scale(x, factor);

    private static DeviceArray ScaledSum(DeviceArray x, double scale) =>
        Run(Require(x), new SumOperation { X = x, Scale = scale }).Y;

    private static DeviceArray ScaledSum(DeviceArray x, int axis, bool keep, bool mean)
    {
        Device device = Require(x);
        int index = AxisOf(x, axis);
        return Run(
            device,
            new SumAxisOperation
            {
                X = Contiguous(x),
                View = AxisView.Of(x.Shape, index),
                Scale = mean ? 1 / (double)x.Shape[index] : 1,
                Shape = Without(x.Shape, index, keep),
            }).Y;
    }

    private static DeviceArray Extremum(DeviceArray x, int axis, bool keep, bool largest)
    {
        Device device = Require(x);
        int index = AxisOf(x, axis);
        return Run(
            device,
            new ExtremumOperation
            {
                X = Contiguous(x),
                View = AxisView.Of(x.Shape, index),
                Largest = largest,
                Shape = Without(x.Shape, index, keep),
            }).Y;
    }

    /// <summary>The index of an axis; negative values count from the end.</summary>
    private static int AxisOf(DeviceArray x, int axis, [CallerArgumentExpression(nameof(axis))] string name = "")
    {
        int rank = x.Shape.Rank;
        return axis >= -rank && axis < rank
            ? axis < 0 ? axis + rank : axis
            : throw new ArgumentOutOfRangeException(
                name, axis, $"Expected an axis of {x.Shape}, from {-rank} to {rank - 1}; found {axis}.");
    }

    /// <summary>A shape without an axis, or with size 1 in its place.</summary>
    private static Shape Without(Shape shape, int axis, bool keep)
    {
        Span<int> sizes = stackalloc int[Shape.MaxRank];
        int rank = 0;
        for (int i = 0; i < shape.Rank; i++)
        {
            if (i != axis)
            {
                sizes[rank++] = shape[i];
            }
            else if (keep || shape.Rank == 1)
            {
                sizes[rank++] = 1;
            }
        }

        return Shape.Create(sizes[..rank]);
    }
}
