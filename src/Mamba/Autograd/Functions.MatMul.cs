using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes <c>y = x·Wᵀ + b</c> for every row of x.</summary>
    /// <param name="x">The input, [K], [length, K] or [.., length, K].</param>
    /// <param name="weight">W, [N, K]: a row for each output, as checkpoints store it.</param>
    /// <param name="bias">b, [N]; absent by default.</param>
    /// <returns>The output, of the shape of x with N for K.</returns>
    /// <exception cref="ArgumentException">The shapes do not fit together.</exception>
    /// <remarks>
    /// A sequence gives the same bits alone and in a batch. In a short sequence the sums run in another order than in a
    /// long one, so that one token after the other agrees with the whole up to rounding.
    /// </remarks>
    public static DeviceArray Linear(DeviceArray x, DeviceArray weight, DeviceArray bias = default)
    {
        Device device = Require(x);
        Require(weight);
        return Run(device, new LinearOperation { X = x, Weight = weight, Bias = bias }).Y;
    }

    /// <summary>Computes the matrix product <c>op(A)·op(B)</c>; op transposes where it is asked to.</summary>
    /// <param name="a">A, [M, K]; [K, M] where it is transposed. Leading axes count as rows.</param>
    /// <param name="b">B, [K, N]; [N, K] where it is transposed. Leading axes count as rows.</param>
    /// <param name="transposeA">Whether to transpose A.</param>
    /// <param name="transposeB">Whether to transpose B.</param>
    /// <returns>The product, [M, N].</returns>
    /// <exception cref="ArgumentException">The shapes do not fit together.</exception>
    public static DeviceArray MatMul(DeviceArray a, DeviceArray b, bool transposeA = false, bool transposeB = false)
    {
        Device device = Require(a);
        Require(b);
        return Run(
            device, new MatMulOperation { A = a, TransposeA = transposeA, B = b, TransposeB = transposeB }).C;
    }
}
