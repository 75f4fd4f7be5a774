using Mamba.Devices;
using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes <c>a + b</c>.</summary>
    /// <param name="a">The first term.</param>
    /// <param name="b">The second term, of the same shape or one that <see cref="Zip{TOp}"/> broadcasts.</param>
    /// <returns>The sum, of the larger shape.</returns>
    /// <exception cref="ArgumentException">The shapes cannot be broadcast.</exception>
    public static DeviceArray Add(DeviceArray a, DeviceArray b) => Zip<Elementwise.Add>(a, b);

    /// <summary>Computes <c>a·b</c>, element by element.</summary>
    /// <param name="a">The first factor.</param>
    /// <param name="b">The second factor, of the same shape or one that <see cref="Zip{TOp}"/> broadcasts.</param>
    /// <returns>The product, of the larger shape.</returns>
    /// <exception cref="ArgumentException">The shapes cannot be broadcast.</exception>
    public static DeviceArray Multiply(DeviceArray a, DeviceArray b) => Zip<Elementwise.Multiply>(a, b);

    /// <summary>Computes <c>x·silu(z)</c>.</summary>
    /// <param name="x">The input.</param>
    /// <param name="z">The gate, of the same shape or one that <see cref="Zip{TOp}"/> broadcasts.</param>
    /// <returns>The gated array, of the larger shape.</returns>
    /// <exception cref="ArgumentException">The shapes cannot be broadcast.</exception>
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

    /// <summary>Computes <c>log(1 + e^x)</c>; returns x above 20.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    public static DeviceArray Softplus(DeviceArray x) => Map<Elementwise.Softplus>(x);

    /// <summary>Computes <c>x·Φ(x)</c>, Φ the cumulative normal distribution.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    /// <remarks>Hendrycks and Gimpel, <see href="https://arxiv.org/abs/1606.08415"/>.</remarks>
    public static DeviceArray Gelu(DeviceArray x) => Map<Elementwise.Gelu>(x);

    /// <summary>
    /// Computes <c>x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))</c>, an approximation of <see cref="Gelu"/>.
    /// </summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    /// <remarks>
    /// Hendrycks and Gimpel, <see href="https://arxiv.org/abs/1606.08415"/>, section 2. For models that were trained
    /// with <c>gelu_new</c> or <c>tanh</c>.
    /// </remarks>
    public static DeviceArray GeluTanh(DeviceArray x) => Map<Elementwise.GeluTanh>(x);

    /// <summary>Computes <c>max(x, 0)²</c>.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    /// <remarks>So et al., <see href="https://arxiv.org/abs/2109.08668"/>.</remarks>
    public static DeviceArray SquaredRelu(DeviceArray x) => Map<Elementwise.SquaredRelu>(x);

    /// <summary>Computes <c>e^x</c>, element by element.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    public static DeviceArray Exp(DeviceArray x) => Map<Elementwise.Exp>(x);

    /// <summary>Computes <c>log x</c>, element by element.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    /// <remarks>-∞ at 0, NaN for negative x.</remarks>
    public static DeviceArray Log(DeviceArray x) => Map<Elementwise.Log>(x);

    /// <summary>Computes <c>√x</c>, element by element.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    public static DeviceArray Sqrt(DeviceArray x) => Map<Elementwise.Sqrt>(x);

    /// <summary>Computes <c>x²</c>, element by element.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    public static DeviceArray Square(DeviceArray x) => Map<Elementwise.Square>(x);

    /// <summary>Computes <c>|x|</c>, element by element.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    /// <remarks>The derivative at 0 is taken to be 0.</remarks>
    public static DeviceArray Abs(DeviceArray x) => Map<Elementwise.Abs>(x);

    /// <summary>Computes <c>tanh x</c>, element by element.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    public static DeviceArray Tanh(DeviceArray x) => Map<Elementwise.Tanh>(x);

    /// <summary>Computes <c>max(x, 0)</c>, element by element.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    /// <remarks>The derivative at 0 is taken to be 0.</remarks>
    public static DeviceArray Relu(DeviceArray x) => Map<Elementwise.Relu>(x);

    /// <summary>Computes <c>sin x</c>, element by element.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    /// <remarks>Accurate to 1e-7 for |x| up to a few thousand periods.</remarks>
    public static DeviceArray Sin(DeviceArray x) => Map<Elementwise.Sin>(x);

    /// <summary>Computes <c>cos x</c>, element by element.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    /// <remarks>Accurate to 1e-7 for |x| up to a few thousand periods.</remarks>
    public static DeviceArray Cos(DeviceArray x) => Map<Elementwise.Cos>(x);

    /// <summary>Computes <c>a - b</c>, element by element.</summary>
    /// <param name="a">The first operand.</param>
    /// <param name="b">The second operand, of the same shape or one that <see cref="Zip{TOp}"/> broadcasts.</param>
    /// <returns>An array of the larger shape.</returns>
    /// <exception cref="ArgumentException">The shapes cannot be broadcast.</exception>
    public static DeviceArray Subtract(DeviceArray a, DeviceArray b) => Zip<Elementwise.Subtract>(a, b);

    /// <summary>Computes <c>a / b</c>, element by element.</summary>
    /// <param name="a">The first operand.</param>
    /// <param name="b">The second operand, of the same shape or one that <see cref="Zip{TOp}"/> broadcasts.</param>
    /// <returns>An array of the larger shape.</returns>
    /// <exception cref="ArgumentException">The shapes cannot be broadcast.</exception>
    public static DeviceArray Divide(DeviceArray a, DeviceArray b) => Zip<Elementwise.Divide>(a, b);

    /// <summary>Computes <c>max(a, b)</c>, element by element.</summary>
    /// <param name="a">The first operand.</param>
    /// <param name="b">The second operand, of the same shape or one that <see cref="Zip{TOp}"/> broadcasts.</param>
    /// <returns>An array of the larger shape.</returns>
    /// <exception cref="ArgumentException">The shapes cannot be broadcast.</exception>
    /// <remarks>Equal values get half of the gradient each.</remarks>
    public static DeviceArray Maximum(DeviceArray a, DeviceArray b) => Zip<Elementwise.Maximum>(a, b);

    /// <summary>Computes <c>min(a, b)</c>, element by element.</summary>
    /// <param name="a">The first operand.</param>
    /// <param name="b">The second operand, of the same shape or one that <see cref="Zip{TOp}"/> broadcasts.</param>
    /// <returns>An array of the larger shape.</returns>
    /// <exception cref="ArgumentException">The shapes cannot be broadcast.</exception>
    /// <remarks>Equal values get half of the gradient each.</remarks>
    public static DeviceArray Minimum(DeviceArray a, DeviceArray b) => Zip<Elementwise.Minimum>(a, b);

    /// <summary>Computes a custom function <c>y = f(x)</c>, element by element.</summary>
    /// <typeparam name="TOp">f and its derivative; <see cref="IMap"/> has an example.</typeparam>
    /// <param name="x">The input.</param>
    /// <returns>An array of the same shape.</returns>
    public static DeviceArray Map<TOp>(DeviceArray x)
        where TOp : struct, IMap => Run(Require(x), new MapOperation<TOp> { X = x }).Y;

    /// <summary>Computes a custom function <c>y = f(a, b)</c>, element by element.</summary>
    /// <typeparam name="TOp">f and its partial derivatives.</typeparam>
    /// <param name="a">The first operand.</param>
    /// <param name="b">
    /// The second operand: of the same shape, or with size 1 along one block of neighbouring axes, where it is
    /// repeated. Missing leading axes count as size 1. Either operand may be the repeated one.
    /// </param>
    /// <returns>An array of the larger shape.</returns>
    /// <exception cref="ArgumentException">
    /// The shapes differ in another way, or along two blocks of axes that are not neighbours.
    /// </exception>
    /// <remarks>
    /// All functions of two operands broadcast in this way: [C], [L, C], [B, 1, C], [B, L, 1] and [1] against
    /// [B, L, C]. The gradient of the repeated operand is summed over the repeated axes, in an order that depends on
    /// the shapes alone.
    /// </remarks>
    /// <example>
    /// Scales every channel; x has shape [batch, length, channels], scale has [channels]:
    /// <code>
    /// DeviceArray y = x * scale;
    /// </code>
    /// </example>
    public static DeviceArray Zip<TOp>(DeviceArray a, DeviceArray b)
        where TOp : struct, IZip
    {
        Device device = Require(a);
        Require(b);
        if (a.Shape == b.Shape)
        {
            return Run(device, new ZipOperation<TOp> { A = a, B = b }).Y;
        }

        if (Broadcasting.Compare(b.Shape, a.Shape, out AxisView view) == Broadcasting.Fit.Fits)
        {
            return Broadcast<TOp>(device, a, b, view);
        }

        return Broadcasting.Compare(a.Shape, b.Shape, out view) == Broadcasting.Fit.Fits
            ? Broadcast<Swapped<TOp>>(device, b, a, view)
            : throw Broadcasting.Refusal(a.Shape, b.Shape);
    }

    /// <summary>Computes <c>y = x·scale + shift</c> in one pass over x.</summary>
    /// <param name="x">The input, such as [batch, length, channels].</param>
    /// <param name="scale">The factors, such as [channels] or [batch, 1, channels]: <see cref="Zip{TOp}"/>.</param>
    /// <param name="shift">The terms, of the shape of the factors.</param>
    /// <returns>An array of the shape of x.</returns>
    /// <exception cref="ArgumentException">
    /// The factors and the terms differ in shape, or cannot be broadcast to x.
    /// </exception>
    /// <remarks>
    /// The backward pass reads the gradient and x once, too. Adaptive norms of diffusion models are a norm without
    /// weights and this function: Peebles and Xie, <see href="https://arxiv.org/abs/2212.09748"/>, section 3.2.
    /// </remarks>
    /// <example>
    /// A norm whose scale and shift follow from a condition; both have shape [batch, 1, channels]:
    /// <code>
    /// DeviceArray y = Functions.ScaleShift(Functions.LayerNorm(x, default, default, 1e-6f), scale, shift);
    /// </code>
    /// </example>
    public static DeviceArray ScaleShift(DeviceArray x, DeviceArray scale, DeviceArray shift)
    {
        Device device = Require(x);
        Require(scale);
        Require(shift);
        if (scale.Shape != shift.Shape)
        {
            throw new ArgumentException(
                $"Expected scale and shift of one shape; found {scale.Shape} and {shift.Shape}.", nameof(shift));
        }

        return Broadcasting.Compare(scale.Shape, x.Shape, out AxisView view) == Broadcasting.Fit.Fits
            ? Run(
                device,
                new ScaleShiftOperation
                {
                    X = Contiguous(x),
                    Scale = Contiguous(scale),
                    Shift = Contiguous(shift),
                    View = view,
                }).Y
            : throw Broadcasting.Refusal(x.Shape, scale.Shape);
    }

    private static DeviceArray Broadcast<TOp>(Device device, DeviceArray a, DeviceArray b, AxisView view)
        where TOp : struct, IZip =>
        Run(device, new BroadcastOperation<TOp> { A = Contiguous(a), B = Contiguous(b), View = view }).Y;
}
