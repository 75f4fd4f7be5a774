using Mamba.Simd;

namespace Mamba.Models.Generation;

/// <summary>Computes <c>exp(x)</c> in lanes, with the same bits at every width.</summary>
internal readonly struct Exponential : IMap
{
    /// <summary>Replaces each value by its exponential.</summary>
    public static unsafe void Run(Span<float> values)
    {
        fixed (float* x = values)
        {
            Map.Run<Exponential>(x, x, values.Length);
        }
    }

    public static TLanes Apply<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes> => LaneMath.Exp(x);

    public static TLanes Derivative<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes> => LaneMath.Exp(x);
}
