using Mamba.Gpu.Kernels;
using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    /// <summary>
    /// Products of at most this many rows read each weight once per four rows instead of in tiles: a decoding step is
    /// bound by reading the weights.
    /// </summary>
    private const int MostFewRows = 8;

    /// <summary>
    /// Whether a product rounds a float32 factor (a weight or a gradient) to bfloat16: true if the other factor is a
    /// bfloat16 activation. The product of a gradient and a weight stays in float32.
    /// </summary>
    private bool Narrows(DeviceArray a, DeviceArray b) => _options.Precision == Precision.BFloat16
        && (a.Precision == Precision.BFloat16 || b.Precision == Precision.BFloat16);

    internal override void MatMul(
        DeviceArray a, bool transposeA, DeviceArray b, bool transposeB, DeviceArray c, bool accumulate)
    {
        (nint m, nint n, nint k) = MatMulSizes(a, transposeA, b, transposeB, c);
        Multiply(
            Matrix.Of(a), transposeA, Matrix.Of(b), transposeB, Matrix.Of(c), new(m, n, k), accumulate, Narrows(a, b));
    }

    /// <remarks>
    /// cuBLAS chooses its algorithm by the number of rows, so the last bits of a row may depend on that number.
    /// </remarks>
    internal override void Linear(in LinearOperation linear)
    {
        (DeviceArray x, DeviceArray weight, DeviceArray bias, DeviceArray y) =
            (linear.X, linear.Weight, linear.Bias, linear.Y);
        if (TryLinearOfFew(linear))
        {
            return;
        }

        Shape shape = x.Shape;
        (int depth, int width) = (shape.Width, weight.Shape[0]);
        nint routed = _blas is null && shape.Rank > 1 ? shape[^2] : shape.Rows;
        if (routed <= MostFewRows && shape.Rows <= FewRows.Rows * 65535L)
        {
            GpuRows inputs = RowsOf(x), weights = RowsOf(weight);
            if (inputs.AreAligned && weights.AreAligned && depth % FewRows.Step == 0)
            {
                LinearOfFew<WholeWords>(linear, inputs, weights);
            }
            else
            {
                LinearOfFew<WordsUpTo>(linear, inputs, weights);
            }

            return;
        }

        if (linear.Start.Exists)
        {
            CopyUnlessSame(linear.Start, y);
            if (bias.Exists)
            {
                Zip<Elementwise.Add>(y, bias, new(1, (nint)shape.Rows, width), y);
            }
        }
        else if (bias.Exists)
        {
            (Plane plane, long groups, (int, int) threads) = PlaneOf(y.Shape, flat: false);
            Launch(new BroadcastKernel(plane, VectorOf(bias), RowsOf(y)), groups, threads);
        }

        Multiply(
            Matrix.Of(x), false, Matrix.Of(weight), true, Matrix.Of(y), new(shape.Rows, width, depth),
            bias.Exists || linear.Start.Exists, Narrows(x, weight));
    }

    private void LinearOfFew<TWords>(in LinearOperation linear, GpuRows x, GpuRows weight)
        where TWords : struct, IRowWords
    {
        (int rows, int depth, int width) =
            ((int)linear.X.Shape.Rows, linear.X.Shape.Width, linear.Weight.Shape[0]);

        // Threads per row of W: enough to fill the device. Fewer threads keep more loads in flight per thread.
        int perRow = Math.Max(_runtime.Accelerator.MaxNumThreads / Math.Max(width, 1), GroupSize / 8);
        int threads = PowerOfTwo(Math.Min(Groups(depth, FewRows.Step), perRow), GroupSize);
        int rowsOfWeights = GroupSize / threads;
        Launch(
            new FewRowsKernel<TWords>(
                x, rows, weight, depth, width, VectorOf(linear.Bias), RowsOf(linear.Start), RowsOf(linear.Y)),
            (Groups(width, rowsOfWeights), (int)Groups(rows, FewRows.Rows)),
            (threads, rowsOfWeights));
    }

    /// <summary>The least power of two that is at least <paramref name="value"/>, capped at a limit.</summary>
    private static int PowerOfTwo(long value, int limit)
    {
        int power = 1;
        while (power < value && power < limit)
        {
            power *= 2;
        }

        return power;
    }
}
