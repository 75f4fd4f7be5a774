using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes <c>y = x·Wᵀ + b</c> for every row of x, and adds it to an array.</summary>
    /// <param name="x">The input, [K], [length, K] or [.., length, K].</param>
    /// <param name="weight">W, [N, K], one row for each output, as in checkpoints.</param>
    /// <param name="bias">b, [N]; optional.</param>
    /// <param name="start">
    /// What the product is added to, for example a residual stream, in the shape of the output; optional. The sum costs
    /// no further pass over memory.
    /// </param>
    /// <returns>The output, in the shape of x with N in place of K.</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    /// <remarks>
    /// A sequence gives the same bits alone and in a batch. Short and long sequences add in different orders, so one
    /// token at a time agrees with the whole sequence up to rounding.
    /// </remarks>
    public static DeviceArray Linear(
        DeviceArray x, DeviceArray weight, DeviceArray bias = default, DeviceArray start = default)
    {
        Device device = Require(x);
        Require(weight);
        return Run(device, new LinearOperation { X = x, Weight = weight, Bias = bias, Start = start }).Y;
    }

    /// <summary>Computes the matrix product <c>op(A)·op(B)</c>, where op is the identity or the transpose.</summary>
    /// <param name="a">A, [M, K], or [K, M] if it is transposed. Leading axes count as rows.</param>
    /// <param name="b">B, [K, N], or [N, K] if it is transposed. Leading axes count as rows.</param>
    /// <param name="transposeA">Whether to transpose A.</param>
    /// <param name="transposeB">Whether to transpose B.</param>
    /// <returns>The product, [M, N].</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    public static DeviceArray MatMul(DeviceArray a, DeviceArray b, bool transposeA = false, bool transposeB = false)
    {
        Device device = Require(a);
        Require(b);
        return Run(
            device, new MatMulOperation { A = a, TransposeA = transposeA, B = b, TransposeB = transposeB }).C;
    }
}
