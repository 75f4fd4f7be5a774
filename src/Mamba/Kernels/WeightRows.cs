namespace Mamba.Kernels;

/// <summary>The rows of a matrix of weights in some format, one behind the other.</summary>
/// <param name="origin">The first row.</param>
/// <param name="width">Weights of a row.</param>
/// <param name="rowBytes">Bytes of a row.</param>
/// <param name="widen">Makes float32 numbers of a part of a row, as <see cref="WeightRow.Widen{TFormat}"/>.</param>
internal readonly unsafe struct WeightRows(
    byte* origin, int width, nint rowBytes, delegate*<byte*, int, nint, int, float*, void> widen)
{
    public byte* this[nint row] => origin + (row * rowBytes);

    /// <summary>Weights of a row.</summary>
    public int Width => width;

    /// <summary>
    /// Makes float32 numbers of a part of a row; where there are scales, from the first weight of a block on.
    /// </summary>
    public void Widen(nint row, nint first, int count, float* target) => widen(this[row], width, first, count, target);
}
