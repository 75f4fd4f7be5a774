namespace Mamba.Simd;

/// <summary>
/// A function of two variables, <c>y = f(a, b)</c>, and its partial derivatives: an empty struct that
/// <see cref="Autograd.Functions.Zip{TOp}"/> runs over arrays, in vector registers and on a GPU.
/// </summary>
/// <example>
/// <code>
/// readonly struct SquaredDifference : IZip
/// {
///     public static TLanes Apply&lt;TLanes>(TLanes a, TLanes b)
///         where TLanes : struct, ILanes&lt;TLanes> => (a - b) * (a - b);
///
///     public static TLanes DerivativeA&lt;TLanes>(TLanes a, TLanes b)
///         where TLanes : struct, ILanes&lt;TLanes> => TLanes.Broadcast(2) * (a - b);
///
///     public static TLanes DerivativeB&lt;TLanes>(TLanes a, TLanes b)
///         where TLanes : struct, ILanes&lt;TLanes> => TLanes.Broadcast(2) * (b - a);
/// }
///
/// DeviceArray y = Functions.Zip&lt;SquaredDifference>(a, b);
/// </code>
/// </example>
public interface IZip
{
    /// <summary>Computes <c>f(a, b)</c>.</summary>
    static abstract TLanes Apply<TLanes>(TLanes a, TLanes b)
        where TLanes : struct, ILanes<TLanes>;

    /// <summary>Computes <c>∂f/∂a</c>.</summary>
    static abstract TLanes DerivativeA<TLanes>(TLanes a, TLanes b)
        where TLanes : struct, ILanes<TLanes>;

    /// <summary>Computes <c>∂f/∂b</c>.</summary>
    static abstract TLanes DerivativeB<TLanes>(TLanes a, TLanes b)
        where TLanes : struct, ILanes<TLanes>;
}
