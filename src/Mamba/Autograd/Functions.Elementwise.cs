using Mamba.Devices;
using Mamba.Kernels;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes <c>a + b</c>.</summary>
    /// <param name="a">The first term.</param>
    /// <param name="b">The second term, of the same shape.</param>
    /// <returns>The sum.</returns>
    public static DeviceArray Add(DeviceArray a, DeviceArray b) => Zip<Elementwise.Add>(a, b);

    /// <summary>Computes <c>a·b</c>, element by element.</summary>
    /// <param name="a">The first factor.</param>
    /// <param name="b">The second factor, of the same shape.</param>
    /// <returns>The product.</returns>
    public static DeviceArray Multiply(DeviceArray a, DeviceArray b) => Zip<Elementwise.Multiply>(a, b);

    /// <summary>Computes <c>x·silu(z)</c>.</summary>
    /// <param name="x">What is gated.</param>
    /// <param name="z">The gate, of the same shape.</param>
    /// <returns>The gated array.</returns>
    public static DeviceArray Gate(DeviceArray x, DeviceArray z)
    {
        Require(x);
        Require(z);
        return Zip<Elementwise.Gate>(x, z);
    }

    /// <summary>Computes <c>1 / (1 + e^-x)</c>.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    public static DeviceArray Sigmoid(DeviceArray x) => Map<Elementwise.Sigmoid>(x);

    /// <summary>Computes <c>x·σ(x)</c>.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    /// <remarks>Elfwing et al., <see href="https://arxiv.org/abs/1702.03118"/>, eq. 1.</remarks>
    public static DeviceArray Silu(DeviceArray x) => Map<Elementwise.Silu>(x);

    /// <summary>Computes <c>log(1 + e^x)</c>, the identity above 20.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    public static DeviceArray Softplus(DeviceArray x) => Map<Elementwise.Softplus>(x);

    /// <summary>Computes <c>x·Φ(x)</c>, Φ the normal distribution.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    /// <remarks>Hendrycks and Gimpel, <see href="https://arxiv.org/abs/1606.08415"/>.</remarks>
    public static DeviceArray Gelu(DeviceArray x) => Map<Elementwise.Gelu>(x);

    /// <summary>Computes <c>max(x, 0)²</c>.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    /// <remarks>So et al., <see href="https://arxiv.org/abs/2109.08668"/>.</remarks>
    public static DeviceArray SquaredRelu(DeviceArray x) => Map<Elementwise.SquaredRelu>(x);

    /// <summary>Computes <c>-e^x</c>, which makes A of its logarithm.</summary>
    internal static DeviceArray NegatedExp(DeviceArray x) => Map<Elementwise.NegatedExp>(x);

    private static DeviceArray Map<TOp>(DeviceArray x)
        where TOp : struct, IMap => Run(Require(x), new MapOperation<TOp> { X = x }).Y;

    private static DeviceArray Zip<TOp>(DeviceArray a, DeviceArray b)
        where TOp : struct, IZip
    {
        Device device = Require(a);
        Require(b);
        return Run(device, new ZipOperation<TOp> { A = a, B = b }).Y;
    }
}
