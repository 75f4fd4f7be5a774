namespace Mamba.Kernels;

/// <summary>The rows of a matrix of weights of any format.</summary>
/// <param name="origin">The first row.</param>
/// <param name="width">Weights of a row.</param>
/// <param name="rowBytes">Bytes from one row to the next.</param>
/// <param name="widen">Converts part of a row to float32, as <see cref="WeightRow.Widen{TFormat}"/>.</param>
internal readonly unsafe struct WeightRows(
    byte* origin, int width, nint rowBytes, delegate*<byte*, int, nint, int, float*, void> widen)
{
    public byte* this[nint row] => origin + (row * rowBytes);

    /// <summary>Weights of a row.</summary>
    public int Width => width;

    /// <summary>
    /// Converts part of a row to float32; <paramref name="first"/> is a multiple of 32 if the format has scales.
    /// </summary>
    public void Widen(nint row, nint first, int count, float* target) => widen(this[row], width, first, count, target);
}
