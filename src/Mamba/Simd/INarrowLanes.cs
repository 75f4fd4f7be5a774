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
}
