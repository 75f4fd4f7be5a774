using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Tests.Reference;

internal sealed partial class ReferenceDevice
{
    internal override void MatMul(
        DeviceArray a, bool transposeA, DeviceArray b, bool transposeB, DeviceArray c, bool accumulate)
    {
        (nint m, nint n, nint depth) = MatMulSizes(a, transposeA, b, transposeB, c);
        View left = ViewOf(a), right = ViewOf(b), target = ViewOf(c);
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < n; j++)
            {
                double sum = accumulate ? target[i, j] : 0;
                for (int k = 0; k < depth; k++)
                {
                    sum += (transposeA ? left[k, i] : left[i, k]) * (transposeB ? right[j, k] : right[k, j]);
                }

                target[i, j] = sum;
            }
        }
    }

    internal override void Linear(in LinearOperation linear)
    {
        (DeviceArray x, DeviceArray weight) = (linear.X, linear.Weight);
        View input = ViewOf(x), w = ViewOf(weight), b = ViewOf(linear.Bias), target = ViewOf(linear.Y);
        View start = ViewOf(linear.Start);
        for (int row = 0; row < x.Shape.Rows; row++)
        {
            for (int n = 0; n < weight.Shape[0]; n++)
            {
                double sum = (b.Exists ? b[n] : 0) + (start.Exists ? start[row, n] : 0);
                for (int k = 0; k < x.Shape.Width; k++)
                {
                    sum += input[row, k] * w[n, k];
                }

                target[row, n] = sum;
            }
        }
    }
}
