using Mamba.Simd;

namespace Mamba.Kernels;

internal static unsafe partial class Elementwise
{
    /// <summary><c>e^x</c></summary>
    public readonly struct Exp : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => LaneMath.Exp(x);

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => LaneMath.Exp(x);
    }

    /// <summary><c>log x</c></summary>
    public readonly struct Log : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => LaneMath.Log(x);

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => TLanes.Broadcast(1f) / x;
    }

    /// <summary><c>√x</c></summary>
    public readonly struct Sqrt : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => TLanes.Sqrt(x);

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => TLanes.Broadcast(0.5f) / TLanes.Sqrt(x);
    }

    /// <summary><c>x²</c></summary>
    public readonly struct Square : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => x * x;

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => x + x;
    }

    /// <summary><c>|x|</c></summary>
    /// <remarks>The derivative at 0 is taken to be 0.</remarks>
    public readonly struct Abs : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => TLanes.Abs(x);

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => Sign.Apply(x);
    }

    /// <summary><c>max(x, 0)</c></summary>
    /// <remarks>The derivative at 0 is taken to be 0.</remarks>
    public readonly struct Relu : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => TLanes.Max(x, TLanes.Broadcast(0f));

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => TLanes.IfLess(
                TLanes.Broadcast(0f), x, TLanes.Broadcast(1f), TLanes.Broadcast(0f));
    }

    /// <summary><c>sin x</c></summary>
    public readonly struct Sin : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => LaneMath.SinCos(x).Sin;

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => LaneMath.SinCos(x).Cos;
    }

    /// <summary><c>cos x</c></summary>
    public readonly struct Cos : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => LaneMath.SinCos(x).Cos;

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => -LaneMath.SinCos(x).Sin;
    }

    /// <summary><c>tanh x</c></summary>
    public readonly struct Tanh : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => LaneMath.Tanh(x);

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes>
        {
            // 4·s·(1 - s) with s = σ(2x): 1 - tanh² loses all digits where tanh is nearly 1.
            TLanes e = LaneMath.Exp(TLanes.Abs(x) * TLanes.Broadcast(-2f)), sum = TLanes.Broadcast(1f) + e;
            return TLanes.Broadcast(4f) * e / (sum * sum);
        }
    }

    /// <summary><c>x/2·(1 + tanh u) = x·σ(2·u)</c>, <c>u = √(2/π)·(x + 0.044715·x³)</c></summary>
    public readonly struct GeluTanh : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => x * Gate(Limited(x));

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes>
        {
            // σ(2u) + x·σ(2u)·(1 - σ(2u))·2u'
            TLanes near = Limited(x), gate = Gate(near), one = TLanes.Broadcast(1f);
            TLanes slope = TLanes.MultiplyAdd(
                near * near, TLanes.Broadcast(6f * 0.044715f * 0.79788456f), TLanes.Broadcast(2f * 0.79788456f));
            return TLanes.MultiplyAdd(near * gate * (one - gate), slope, gate);
        }

        /// <summary>Clamps x to ±10: beyond, the gate is 0 or 1 in float32, and x³ may overflow.</summary>
        private static TLanes Limited<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => TLanes.Clamp(x, TLanes.Broadcast(-10f), TLanes.Broadcast(10f));

        private static TLanes Gate<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes>
        {
            TLanes inner = TLanes.MultiplyAdd(
                x * x, TLanes.Broadcast(2f * 0.044715f * 0.79788456f), TLanes.Broadcast(2f * 0.79788456f));
            return LaneMath.Sigmoid(x * inner);
        }
    }
}
