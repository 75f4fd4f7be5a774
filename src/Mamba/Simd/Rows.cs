namespace Mamba.Simd;

/// <summary>
/// Rows of floats in memory, each contiguous, <paramref name="pitch"/> floats apart: a matrix, or a slice of the last
/// axis of one. Null where an optional argument is absent.
/// </summary>
internal readonly unsafe struct Rows(float* origin, nint pitch)
{
    public float* Origin { get; } = origin;

    public nint Pitch { get; } = pitch;

    public bool IsNull => Origin == null;

    /// <summary>The start of row <paramref name="index"/>.</summary>
    public float* this[nint index] => Origin + (index * Pitch);

    /// <summary>The same rows from column <paramref name="column"/> on; null stays null.</summary>
    public Rows From(nint column) => IsNull ? this : new(Origin + column, Pitch);

    /// <summary>The same rows from row <paramref name="row"/> on; null stays null.</summary>
    public Rows Below(nint row) => IsNull ? this : new(this[row], Pitch);
}
