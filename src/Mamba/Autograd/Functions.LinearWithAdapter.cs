using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes <c>y = x·Wᵀ + b + scale·(x·Aᵀ)·Bᵀ</c>: a linear map with a low-rank adapter.</summary>
    /// <param name="x">The input, [K], [length, K] or [.., length, K].</param>
    /// <param name="weight">W, [N, K].</param>
    /// <param name="bias">b, [N], or <c>default</c>.</param>
    /// <param name="adapterA">A, [rank, K].</param>
    /// <param name="adapterB">B, [N, rank].</param>
    /// <param name="scale">Factor of the adapter.</param>
    /// <param name="start">What the product is added to, in the shape of the output; optional.</param>
    /// <returns>The output, in the shape of x with N in place of K.</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    /// <remarks>
    /// Hu et al., <see href="https://arxiv.org/abs/2106.09685"/>, eq. 3. If B is zero, y equals <see cref="Linear"/>
    /// bit for bit.
    /// </remarks>
    public static DeviceArray LinearWithAdapter(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias,
        DeviceArray adapterA,
        DeviceArray adapterB,
        float scale,
        DeviceArray start = default)
    {
        Device device = Require(x);
        Require(weight);
        Require(adapterA);
        Require(adapterB);
        return Run(
            device,
            new AdapterOperation
            {
                Linear = new() { X = x, Weight = weight, Bias = bias, Start = start },
                A = adapterA,
                B = adapterB,
                Scale = scale,
            }).Linear.Y;
    }
}
