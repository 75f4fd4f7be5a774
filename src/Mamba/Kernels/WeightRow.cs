using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Reads rows of weights of any format.</summary>
internal static unsafe class WeightRow
{
    /// <summary>Floats to reserve for the scales of a row: room for whole registers.</summary>
    public static int ScalesLength<TFormat>(int width)
        where TFormat : struct, IWeightFormat =>
        TFormat.Block == 0 ? 0 : TFormat.ScalesLength(width) + Lanes512.Count;

    /// <summary>Reads some half-precision scales of a row.</summary>
    /// <param name="source">The scales of the row.</param>
    /// <param name="first">The first to read.</param>
    /// <param name="count">Their number.</param>
    /// <param name="scales">Receives them, at the same index.</param>
    public static void ReadScales(ushort* source, int first, int count, float* scales)
    {
        source += first;
        scales += first;
        int i = 0;
        if (Width.Has512) { i = ReadScales<Lanes512>(source, i, count, scales); }
        if (Width.Has256) { i = ReadScales<Lanes256>(source, i, count, scales); }
        if (Width.Has128) { i = ReadScales<Lanes128>(source, i, count, scales); }
        ReadScales<Lane>(source, i, count, scales);
    }

    /// <summary>Converts part of a row to float32.</summary>
    /// <param name="row">The row.</param>
    /// <param name="width">Number of weights in the row.</param>
    /// <param name="first">The first weight of the part; a multiple of 32 if the format has scales.</param>
    /// <param name="count">Number of weights of the part.</param>
    /// <param name="target">Receives the numbers.</param>
    [SkipLocalsInit]
    public static void Widen<TFormat>(byte* row, int width, nint first, int count, float* target)
        where TFormat : struct, IWeightFormat
    {
        float* scales = stackalloc float[ScalesLength<TFormat>(width)];
        TFormat.ReadScales(row, width, (int)first, count, scales);
        int i = 0;
        if (Width.Has512) { i = Widen<TFormat, Lanes512>(row, scales, first, i, count, target); }
        if (Width.Has256) { i = Widen<TFormat, Lanes256>(row, scales, first, i, count, target); }
        if (Width.Has128) { i = Widen<TFormat, Lanes128>(row, scales, first, i, count, target); }
        Widen<TFormat, Lane>(row, scales, first, i, count, target);
    }

    private static int ReadScales<TLanes>(ushort* source, int i, int count, float* scales)
        where TLanes : struct, INarrowLanes<TLanes>
    {
        for (; i <= count - TLanes.Count; i += TLanes.Count)
        {
            TLanes.Store(TLanes.LoadFloat16(source + i), scales + i);
        }

        return i;
    }

    private static int Widen<TFormat, TLanes>(
        byte* row, float* scales, nint first, int i, int count, float* target)
        where TFormat : struct, IWeightFormat
        where TLanes : struct, INarrowLanes<TLanes>
    {
        for (; i <= count - TLanes.Count; i += TLanes.Count)
        {
            TLanes.Store(TFormat.Load<TLanes>(row, first + i, scales), target + i);
        }

        return i;
    }
}
