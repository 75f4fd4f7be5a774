namespace Mamba.Simd;

/// <summary>
/// A function of one variable, <c>y = f(x)</c>, and its derivative: an empty struct that
/// <see cref="Autograd.Functions.Map{TOp}"/> runs over arrays, in vector registers and on a GPU.
/// </summary>
/// <remarks>The emulation of GPUs needs the struct to be public; the CPU and real GPUs do not.</remarks>
/// <example>
/// <code>
/// readonly struct Cube : IMap
/// {
///     public static TLanes Apply&lt;TLanes&gt;(TLanes x)
///         where TLanes : struct, ILanes&lt;TLanes&gt; => x * x * x;
///
///     public static TLanes Derivative&lt;TLanes&gt;(TLanes x)
///         where TLanes : struct, ILanes&lt;TLanes&gt; => TLanes.Broadcast(3) * x * x;
/// }
///
/// DeviceArray y = Functions.Map&lt;Cube&gt;(x);
/// </code>
/// </example>
public interface IMap
{
    /// <summary>Computes <c>f(x)</c>.</summary>
    static abstract TLanes Apply<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes>;

    /// <summary>Computes <c>f'(x)</c>.</summary>
    static abstract TLanes Derivative<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes>;
}
