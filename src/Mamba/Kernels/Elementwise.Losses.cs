using Mamba.Simd;

namespace Mamba.Kernels;

internal static unsafe partial class Elementwise
{
    /// <summary><c>x</c>, infinities replaced by the largest finite numbers; NaN stays NaN.</summary>
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
}
