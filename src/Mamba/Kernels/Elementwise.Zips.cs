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

    /// <summary>
    /// The logarithm of a token's decay in an SSD, <c>a·b</c> between -89, whose exponential is 0 beside 1, and 0.
    /// Outside there is no gradient: that of an infinite b would be NaN.
    /// </summary>
    public readonly struct LogDecay : IZip
    {
        private const float Least = -89f;

        public static TLanes Apply<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => Within(a * b, a * b, TLanes.Broadcast(Least));

        public static TLanes DerivativeA<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => Within(a * b, b, TLanes.Broadcast(0f));

        public static TLanes DerivativeB<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => Within(a * b, a, TLanes.Broadcast(0f));

        private static TLanes Within<TLanes>(TLanes product, TLanes value, TLanes below)
            where TLanes : struct, ILanes<TLanes>
        {
            TLanes zero = TLanes.Broadcast(0f);
            value = TLanes.IfLess(product, TLanes.Broadcast(Least), below, value);
            return TLanes.IfLess(zero, product, zero, value);
        }
    }

    /// <summary><c>max(a, b)</c> with a constant b; the gradient of equal values is that of a.</summary>
    public readonly struct AtLeast : IZip
    {
        public static TLanes Apply<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => TLanes.IfLess(a, b, b, a);

        public static TLanes DerivativeA<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> =>
            TLanes.IfLess(a, b, TLanes.Broadcast(0f), TLanes.Broadcast(1f));

        public static TLanes DerivativeB<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> =>
            TLanes.IfLess(a, b, TLanes.Broadcast(1f), TLanes.Broadcast(0f));
    }

    /// <summary><c>min(a, b)</c> with a constant b; the gradient of equal values is that of a.</summary>
    public readonly struct AtMost : IZip
    {
        public static TLanes Apply<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> => TLanes.IfLess(b, a, b, a);

        public static TLanes DerivativeA<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> =>
            TLanes.IfLess(b, a, TLanes.Broadcast(0f), TLanes.Broadcast(1f));

        public static TLanes DerivativeB<TLanes>(TLanes a, TLanes b)
            where TLanes : struct, ILanes<TLanes> =>
            TLanes.IfLess(b, a, TLanes.Broadcast(1f), TLanes.Broadcast(0f));
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
