namespace Mamba.Memory;

/// <summary>
/// The storage format of an array's elements. Sums, states and gradients are float32 on every device.
/// </summary>
/// <remarks>
/// The CPU reads weights of every precision and widens them inside the matrix product; the result is bitwise the same
/// as with weights widened beforehand. A GPU supports <see cref="Float32"/> and <see cref="BFloat16"/>.
/// </remarks>
/// <example>
/// <code>
/// model.Narrow(Precision.Int8);              // a quarter of the memory, for inference
/// </code>
/// </example>
public enum Precision
{
    /// <summary>IEEE 754 single precision.</summary>
    Float32,

    /// <summary>The upper half of a float32: the same range, with 8 bits of precision.</summary>
    BFloat16,

    /// <summary>IEEE 754 half precision: 11 bits of precision, up to 65,504.</summary>
    Float16,

    /// <summary>
    /// 8-bit integers in blocks of 32 along a row, with a half-precision scale per block: 8.5 bits per weight. The
    /// values equal those of GGUF's Q8_0.
    /// </summary>
    Int8,

    /// <summary>
    /// 4-bit integers in blocks of 32 along a row, with a half-precision scale per block: 4.5 bits per weight. The
    /// values equal those of GGUF's Q4_0.
    /// </summary>
    Int4,
}

internal static class PrecisionExtensions
{
    /// <summary>Number of weights that share a scale in block formats.</summary>
    public const int Block = 32;

    /// <summary>Maximum width of a row in blocks: a kernel keeps the scales of some rows on the stack.</summary>
    public const int WidestRow = 1 << 18;

    /// <summary>Whether this is a block format, which stores the scales after each row.</summary>
    public static bool HasBlocks(this Precision precision) => precision is Precision.Int8 or Precision.Int4;

    /// <summary>Bytes of a number of elements, which must be whole blocks in block formats.</summary>
    public static nint Bytes(this Precision precision, nint count) => precision switch
    {
        Precision.Float32 => checked(count * sizeof(float)),
        Precision.BFloat16 or Precision.Float16 => checked(count * sizeof(ushort)),
        Precision.Int8 => checked(count + (count / Block * sizeof(ushort))),
        _ => checked((count / 2) + (count / Block * sizeof(ushort))),
    };

    /// <summary>Whether rows of a width can be stored in this precision.</summary>
    public static bool FitsRowsOf(this Precision precision, int width) =>
        !precision.HasBlocks() || (width % Block == 0 && width <= WidestRow);

    /// <summary>This precision, or bfloat16 if rows of that width do not fit it.</summary>
    public static Precision ForRowsOf(this Precision precision, int width) =>
        precision.FitsRowsOf(width) ? precision : Precision.BFloat16;
}
