using Mamba.Simd;

namespace Mamba.Kernels;

internal static unsafe partial class Elementwise
{
    /// <summary><c>a - b</c></summary>
    public readonly struct Subtract : IZip
    {
        public static TLanes Apply<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => a - b;

        public static TLanes DerivativeA<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => TLanes.Broadcast(1f);

        public static TLanes DerivativeB<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => TLanes.Broadcast(-1f);
    }

    /// <summary><c>a / b</c></summary>
    public readonly struct Divide : IZip
    {
        public static TLanes Apply<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => a / b;

        public static TLanes DerivativeA<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => TLanes.Broadcast(1f) / b;

        public static TLanes DerivativeB<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => -(a / b) / b;
    }

    /// <summary><c>max(a, b)</c></summary>
    /// <remarks>The gradient of equal values is shared between them.</remarks>
    public readonly struct Maximum : IZip
    {
        public static TLanes Apply<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => TLanes.Max(a, b);

        public static TLanes DerivativeA<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => ShareOfLarger(a, b);

        public static TLanes DerivativeB<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => ShareOfLarger(b, a);
    }

    /// <summary><c>min(a, b)</c></summary>
    /// <remarks>The gradient of equal values is shared between them.</remarks>
    public readonly struct Minimum : IZip
    {
        public static TLanes Apply<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => TLanes.Min(a, b);

        public static TLanes DerivativeA<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => ShareOfLarger(b, a);

        public static TLanes DerivativeB<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => ShareOfLarger(a, b);
    }

    /// <summary>1 if the first value is larger, ½ if both are equal, 0 if it is smaller.</summary>
    private static TLanes ShareOfLarger<TLanes>(TLanes a, TLanes b)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes half = TLanes.Broadcast(0.5f), zero = TLanes.Broadcast(0f);
        return TLanes.IfLess(b, a, half, zero) + TLanes.IfLess(a, b, zero, half);
    }
}
