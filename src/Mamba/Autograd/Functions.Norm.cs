using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Divides every row by its root mean square: <c>y = x/√(mean(x²) + ε)·w + b</c>.</summary>
    /// <param name="x">The input, [..., channels].</param>
    /// <param name="weight">w, [channels], or <c>default</c>.</param>
    /// <param name="epsilon">ε, inside the root; finite, 0 or more.</param>
    /// <param name="bias">b, [channels]; optional.</param>
    /// <returns>y, in the shape of x.</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    /// <remarks>Zhang and Sennrich, <see href="https://arxiv.org/abs/1910.07467"/>, eq. 4.</remarks>
    public static DeviceArray RmsNorm(
        DeviceArray x, DeviceArray weight, float epsilon, DeviceArray bias = default) =>
        Norm(x, default, weight, bias, epsilon, centered: false).Y;

    /// <summary>Adds a residual and normalises the sum as <see cref="RmsNorm"/> does.</summary>
    /// <param name="x">The input, [..., channels].</param>
    /// <param name="residual">The residual, in the shape of x.</param>
    /// <param name="weight">w, [channels], or <c>default</c>.</param>
    /// <param name="epsilon">ε, inside the root; finite, 0 or more.</param>
    /// <param name="bias">b, [channels]; optional.</param>
    /// <returns>y and x + residual, both in the shape of x.</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    public static (DeviceArray Y, DeviceArray Sum) AddRmsNorm(
        DeviceArray x, DeviceArray residual, DeviceArray weight, float epsilon, DeviceArray bias = default)
    {
        Require(residual);
        return Norm(x, residual, weight, bias, epsilon, centered: false);
    }

    /// <summary>
    /// Normalises every row to mean 0 and variance 1: <c>y = (x - μ)/√(mean((x - μ)²) + ε)·w + b</c>,
    /// <c>μ = mean(x)</c>.
    /// </summary>
    /// <param name="x">The input, [..., channels].</param>
    /// <param name="weight">w, [channels], or <c>default</c>.</param>
    /// <param name="bias">b, [channels], or <c>default</c>.</param>
    /// <param name="epsilon">ε, inside the root; finite, 0 or more.</param>
    /// <returns>y, in the shape of x.</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    /// <remarks>Ba et al., <see href="https://arxiv.org/abs/1607.06450"/>, eq. 3.</remarks>
    public static DeviceArray LayerNorm(DeviceArray x, DeviceArray weight, DeviceArray bias, float epsilon) =>
        Norm(x, default, weight, bias, epsilon, centered: true).Y;

    /// <summary>Adds a residual and normalises the sum as <see cref="LayerNorm"/> does.</summary>
    /// <param name="x">The input, [..., channels].</param>
    /// <param name="residual">The residual, in the shape of x.</param>
    /// <param name="weight">w, [channels], or <c>default</c>.</param>
    /// <param name="bias">b, [channels], or <c>default</c>.</param>
    /// <param name="epsilon">ε, inside the root; finite, 0 or more.</param>
    /// <returns>y and x + residual, both in the shape of x.</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    public static (DeviceArray Y, DeviceArray Sum) AddLayerNorm(
        DeviceArray x, DeviceArray residual, DeviceArray weight, DeviceArray bias, float epsilon)
    {
        Require(residual);
        return Norm(x, residual, weight, bias, epsilon, centered: true);
    }

    /// <summary>
    /// Computes RMS norm with a gate: <c>y = norm(x·silu(z))·w + b</c>, or <c>y = (norm(x)·w + b)·silu(z)</c> if the
    /// norm comes first.
    /// </summary>
    /// <param name="x">The input, [..., channels].</param>
    /// <param name="z">The gate, in the shape of x.</param>
    /// <param name="weight">w, [channels], or <c>default</c>.</param>
    /// <param name="bias">b, [channels], or <c>default</c>.</param>
    /// <param name="epsilon">ε, inside the root; finite, 0 or more.</param>
    /// <param name="groupSize">Channels that are normalised together; null for all.</param>
    /// <param name="normBeforeGate">Whether the norm comes before the gate.</param>
    /// <returns>y, in the shape of x.</returns>
    /// <exception cref="ArgumentException">
    /// An input has the wrong shape, or the groups do not divide the channels.
    /// </exception>
    /// <remarks>Dao and Gu, <see href="https://arxiv.org/abs/2405.21060"/>, section 7.3.</remarks>
    public static DeviceArray GatedRmsNorm(
        DeviceArray x,
        DeviceArray z,
        DeviceArray weight,
        DeviceArray bias,
        float epsilon,
        int? groupSize = null,
        bool normBeforeGate = false)
    {
        Setting.RequireFloat(epsilon, nameof(epsilon));
        Device device = Require(x);
        Require(z);
        return Run(
            device,
            new GatedNormOperation
            {
                X = x,
                Z = z,
                Weight = weight,
                Bias = bias,
                Epsilon = epsilon,
                GroupSize = groupSize ?? x.Shape.Width,
                NormBeforeGate = normBeforeGate,
            }).Y;
    }

    private static (DeviceArray Y, DeviceArray Sum) Norm(
        DeviceArray x, DeviceArray residual, DeviceArray weight, DeviceArray bias, float epsilon, bool centered)
    {
        Setting.RequireFloat(epsilon, nameof(epsilon));
        NormOperation norm = Run(
            Require(x),
            new NormOperation
            {
                X = x,
                Residual = residual,
                Weight = weight,
                Bias = bias,
                Epsilon = epsilon,
                Centered = centered,
            });
        return (norm.Y, norm.Sum);
    }
}
