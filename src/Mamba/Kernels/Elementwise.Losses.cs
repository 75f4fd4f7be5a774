using Mamba.Simd;

namespace Mamba.Kernels;

internal static unsafe partial class Elementwise
{
    /// <summary><c>x</c> clamped to the finite numbers: infinities become ±3.4e38, NaN stays NaN.</summary>
    public readonly struct Finite : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> =>
            TLanes.Clamp(x, TLanes.Broadcast(-float.MaxValue), TLanes.Broadcast(float.MaxValue));

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => TLanes.Broadcast(1f);
    }

    /// <summary><c>e^(a - b)</c></summary>
    public readonly struct ExpOfDifference : IZip
    {
        public static TLanes Apply<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => LaneMath.Exp(a - b);

        public static TLanes DerivativeA<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => LaneMath.Exp(a - b);

        public static TLanes DerivativeB<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => -LaneMath.Exp(a - b);
    }

    /// <summary><c>x²/2</c> for <c>|x| ≤ 1</c>, else <c>|x| - 1/2</c>.</summary>
    public readonly struct Huber : IMap
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes>
        {
            TLanes size = TLanes.Abs(x), inside = TLanes.Min(size, TLanes.Broadcast(1f));
            return inside * (size - (inside * TLanes.Broadcast(0.5f)));
        }

        public static TLanes Derivative<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> =>
            TLanes.Clamp(x, TLanes.Broadcast(-1f), TLanes.Broadcast(1f));
    }

    /// <summary><c>b·softplus(-a) + (1 - b)·softplus(a)</c>: the cross-entropy of a logit and a probability.</summary>
    public readonly struct LogitLoss : IZip
    {
        public static TLanes Apply<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> =>
            (b * LaneMath.Softplus(-a)) + ((TLanes.Broadcast(1f) - b) * LaneMath.Softplus(a));

        public static TLanes DerivativeA<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> =>
            ((TLanes.Broadcast(1f) - b) * LaneMath.Sigmoid(a)) - (b * LaneMath.Sigmoid(-a));

        public static TLanes DerivativeB<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => -a;
    }
}
