using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Elementwise functions of one and two variables.</summary>
internal static unsafe partial class Elementwise
{
    /// <summary>Computes <c>y[i] += scale·x[i]</c>.</summary>
    public static void AddScaled(float* x, float scale, float* y, nint length)
    {
        nint i = 0;
        if (Width.Has512) { i = AddScaled<Lanes512>(x, scale, y, i, length); }
        if (Width.Has256) { i = AddScaled<Lanes256>(x, scale, y, i, length); }
        if (Width.Has128) { i = AddScaled<Lanes128>(x, scale, y, i, length); }
        AddScaled<Lane>(x, scale, y, i, length);
    }

    private static nint AddScaled<TLanes>(float* x, float scale, float* y, nint i, nint length)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes factor = TLanes.Broadcast(scale);
        for (; i <= length - TLanes.Count; i += TLanes.Count)
        {
            TLanes.Store(TLanes.MultiplyAdd(TLanes.Load(x + i), factor, TLanes.Load(y + i)), y + i);
        }

        return i;
    }

    /// <summary><c>x</c></summary>
    public readonly struct Identity : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => x;

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => TLanes.Broadcast(1f);
    }

    /// <summary><c>-e^x</c>: A from A_log.</summary>
    public readonly struct NegatedExp : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => -LaneMath.Exp(x);

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => -LaneMath.Exp(x);
    }

    /// <summary><c>1 / (1 + e^-x)</c></summary>
    public readonly struct Sigmoid : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => LaneMath.Sigmoid(x);

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes>
        {
            TLanes s = LaneMath.Sigmoid(x);
            return s * (TLanes.Broadcast(1f) - s);
        }
    }

    /// <summary><c>x·σ(x)</c></summary>
    /// <remarks>SiLU: Elfwing et al., arXiv:1702.03118, eq. 1.</remarks>
    public readonly struct Silu : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => x * LaneMath.Sigmoid(x);

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => ValueAndSlope(x).Slope;

        /// <summary>The function and its derivative, from one sigmoid.</summary>
        public static (TLanes Value, TLanes Slope) ValueAndSlope<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes>
        {
            TLanes s = LaneMath.Sigmoid(x), value = x * s;
            return (value, TLanes.MultiplyAdd(value, TLanes.Broadcast(1f) - s, s));
        }
    }

    /// <summary><c>log(1 + e^x)</c></summary>
    public readonly struct Softplus : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => LaneMath.Softplus(x);

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => LaneMath.Sigmoid(x);
    }

    /// <summary><c>max(x, 0)²</c></summary>
    /// <remarks>So et al., Primer, arXiv:2109.08668.</remarks>
    public readonly struct SquaredRelu : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes>
        {
            TLanes r = TLanes.Max(x, TLanes.Broadcast(0f));
            return r * r;
        }

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes>
        {
            TLanes r = TLanes.Max(x, TLanes.Broadcast(0f));
            return r + r;
        }
    }

    /// <summary><c>x·Φ(x)</c>, Φ the standard normal distribution function.</summary>
    /// <remarks>
    /// GELU: Hendrycks and Gimpel, arXiv:1606.08415. The error function is Abramowitz and Stegun 7.1.26, with an
    /// error of at most 1.5e-7.
    /// </remarks>
    public readonly struct Gelu : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => x * Normal(x);

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes>
        {
            // Φ(x) + x·φ(x), φ(x) = e^(-x²/2)/√(2π)
            TLanes density = LaneMath.Exp(x * x * TLanes.Broadcast(-0.5f)) * TLanes.Broadcast(0.39894228f);
            return TLanes.MultiplyAdd(x, density, Normal(x));
        }

        private static TLanes Normal<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes>
        {
            // Φ(-|x|) = P(t)·e^(-x²/2)/2, t = 1/(1 + 0.3275911·|x|/√2)
            TLanes one = TLanes.Broadcast(1f);
            TLanes t = one / TLanes.MultiplyAdd(TLanes.Abs(x), TLanes.Broadcast(0.23164189f), one);
            TLanes p = TLanes.Broadcast(1.061405429f);
            p = TLanes.MultiplyAdd(p, t, TLanes.Broadcast(-1.453152027f));
            p = TLanes.MultiplyAdd(p, t, TLanes.Broadcast(1.421413741f));
            p = TLanes.MultiplyAdd(p, t, TLanes.Broadcast(-0.284496736f));
            p = TLanes.MultiplyAdd(p, t, TLanes.Broadcast(0.254829592f));
            TLanes below = p * t * LaneMath.Exp(x * x * TLanes.Broadcast(-0.5f)) * TLanes.Broadcast(0.5f);
            return TLanes.IfLess(x, TLanes.Broadcast(0f), below, one - below);
        }
    }

    /// <summary><c>x/|x|</c>, 0 at 0 and less than 1 at subnormal numbers. The derivative is defined as 0.</summary>
    public readonly struct Sign : IMap
    {
        private const float Huge = 1.7014118e38f; // 2^127: times a normal number, at least 1 in magnitude

        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes>
        {
            // Clamped, not compared, so that NaN stays NaN on every device.
            TLanes one = TLanes.Broadcast(1f);
            return TLanes.Max(TLanes.Min(x * TLanes.Broadcast(Huge), one), -one);
        }

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => TLanes.Broadcast(0f);
    }

    /// <summary><c>a + b</c></summary>
    public readonly struct Add : IZip
    {
        public static TLanes Apply<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => a + b;

        public static TLanes DerivativeA<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => TLanes.Broadcast(1f);

        public static TLanes DerivativeB<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => TLanes.Broadcast(1f);
    }

    /// <summary><c>a·b</c></summary>
    public readonly struct Multiply : IZip
    {
        public static TLanes Apply<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => a * b;

        public static TLanes DerivativeA<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => b;

        public static TLanes DerivativeB<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => a;
    }

    /// <summary><c>a·silu(b)</c>: the gate of a mixer and of a gated MLP.</summary>
    public readonly struct Gate : IZip
    {
        public static TLanes Apply<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => a * Silu.Apply(b);

        public static TLanes DerivativeA<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => Silu.Apply(b);

        public static TLanes DerivativeB<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => a * Silu.Derivative(b);
    }
}
