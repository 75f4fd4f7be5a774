namespace Mamba.Simd;

/// <summary>Lanes that are loaded from numbers of fewer bits.</summary>
internal unsafe interface INarrowLanes<TSelf> : ILanes<TSelf>
    where TSelf : struct, INarrowLanes<TSelf>
{
    static abstract TSelf LoadBFloat16(ushort* source);

    /// <summary>Loads half-precision numbers, all of which are finite.</summary>
    static abstract TSelf LoadFloat16(ushort* source);

    static abstract TSelf LoadInt8(sbyte* source);

    /// <summary>Loads four bits of each byte, from 0 to 15, less 8, times a scale.</summary>
    /// <param name="source">A byte for each lane.</param>
    /// <param name="shift">0 for the lower bits, 4 for the upper ones.</param>
    /// <param name="scale">A half-precision number, so that the product is exact.</param>
    static abstract TSelf LoadInt4(byte* source, int shift, float* scale);

    /// <summary>Loads some bits of each byte.</summary>
    /// <param name="source">A byte for each lane.</param>
    /// <param name="shift">The lowest of the bits.</param>
    /// <param name="mask">The bits, after the shift.</param>
    static abstract TSelf LoadBits(byte* source, int shift, int mask);

    /// <summary>Loads four bits of each byte, and further bits above them of another byte.</summary>
    /// <param name="source">A byte with the lower four bits for each lane.</param>
    /// <param name="shift">0 for its lower bits, 4 for the upper ones.</param>
    /// <param name="upper">A byte with the upper bits for each lane.</param>
    /// <param name="upperShift">The lowest of its bits.</param>
    /// <param name="upperMask">Its bits, after the shift.</param>
    static abstract TSelf LoadBits(byte* source, int shift, byte* upper, int upperShift, int upperMask);
}
