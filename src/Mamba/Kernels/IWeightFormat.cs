using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>How rows of weights are stored, and how they become float32.</summary>
internal unsafe interface IWeightFormat
{
    /// <summary>Weights of a row that share a scale; 0 where there are no scales.</summary>
    static abstract int Block { get; }

    /// <summary>Bytes of a row of so many weights.</summary>
    static abstract nint RowBytes(int width);

    /// <summary>Loads weights from <paramref name="k"/> on; none of them beyond a block that began before.</summary>
    /// <param name="row">The row.</param>
    /// <param name="k">The first weight.</param>
    /// <param name="scales">The scales of the row; null where there are none.</param>
    static abstract TLanes Load<TLanes>(byte* row, nint k, float* scales)
        where TLanes : struct, INarrowLanes<TLanes>;

    /// <summary>
    /// Loads two registers of weights, one behind the other, from an even multiple of a register's length on; they
    /// share a scale.
    /// </summary>
    static abstract void LoadTwo<TLanes>(byte* row, nint k, float* scales, out TLanes first, out TLanes second)
        where TLanes : struct, INarrowLanes<TLanes>;

    /// <summary>Stores the nearest weights that the format has.</summary>
    /// <param name="source">The weights.</param>
    /// <param name="width">Number of weights; whole blocks.</param>
    /// <param name="row">The row.</param>
    /// <exception cref="ArithmeticException">A weight is too large for the format, or is not finite.</exception>
    static abstract void Narrow(float* source, int width, byte* row);
}
