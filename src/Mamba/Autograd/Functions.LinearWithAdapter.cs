using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes <c>y = x·Wᵀ + b + scale·(x·Aᵀ)·Bᵀ</c>: a linear map and a correction of low rank.</summary>
    /// <param name="x">The input, [K], [length, K] or [.., length, K].</param>
    /// <param name="weight">W, [N, K].</param>
    /// <param name="bias">b, [N], or <c>default</c>.</param>
    /// <param name="adapterA">A, [rank, K].</param>
    /// <param name="adapterB">B, [N, rank].</param>
    /// <param name="scale">Factor of the correction.</param>
    /// <returns>The output, of the shape of x with N for K.</returns>
    /// <exception cref="ArgumentException">The shapes do not fit together.</exception>
    /// <remarks>
    /// Hu et al., <see href="https://arxiv.org/abs/2106.09685"/>, eq. 3. Where B is zero, y has the bits of
    /// <see cref="Linear"/>.
    /// </remarks>
    public static DeviceArray LinearWithAdapter(
        DeviceArray x, DeviceArray weight, DeviceArray bias, DeviceArray adapterA, DeviceArray adapterB, float scale)
    {
        Device device = Require(x);
        Require(weight);
        Require(adapterA);
        Require(adapterB);
        return Run(
            device,
            new AdapterOperation
            {
                Linear = new() { X = x, Weight = weight, Bias = bias },
                A = adapterA,
                B = adapterB,
                Scale = scale,
            }).Linear.Y;
    }
}
