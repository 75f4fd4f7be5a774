namespace Mamba.Memory;

/// <summary>How the numbers of an array are stored. Sums, states and gradients are float32 on every device.</summary>
/// <remarks>
/// The CPU reads weights of every precision and widens them inside the matrix product, with the same bits as weights
/// that were widened before. A GPU supports <see cref="Float32"/> and <see cref="BFloat16"/>.
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

    /// <summary>The upper half of a float32: its range, with eight bits of precision.</summary>
    BFloat16,

    /// <summary>IEEE 754 half precision: eleven bits of precision, up to 65,504.</summary>
    Float16,

    /// <summary>
    /// Integers of eight bits, in blocks of 32 of a row with a half-precision scale: 8.5 bits a weight, the numbers of
    /// GGUF's Q8_0.
    /// </summary>
    Int8,

    /// <summary>
    /// Integers of four bits, in blocks of 32 of a row with a half-precision scale: 4.5 bits a weight, the numbers of
    /// GGUF's Q4_0.
    /// </summary>
    Int4,
}

internal static class PrecisionExtensions
{
    /// <summary>Weights that share a scale, where there are scales.</summary>
    public const int Block = 32;

    /// <summary>The widest row of blocks: a kernel keeps the scales of some rows on a thread's stack.</summary>
    public const int WidestRow = 1 << 18;

    /// <summary>Whether weights share scales, which stand behind their row.</summary>
    public static bool HasBlocks(this Precision precision) => precision is Precision.Int8 or Precision.Int4;

    /// <summary>Bytes of so many elements, which are whole blocks.</summary>
    public static nint Bytes(this Precision precision, nint count) => precision switch
    {
        Precision.Float32 => checked(count * sizeof(float)),
        Precision.BFloat16 or Precision.Float16 => checked(count * sizeof(ushort)),
        Precision.Int8 => checked(count + (count / Block * sizeof(ushort))),
        _ => checked((count / 2) + (count / Block * sizeof(ushort))),
    };

    /// <summary>Whether rows of a width can be stored in a precision.</summary>
    public static bool FitsRowsOf(this Precision precision, int width) =>
        !precision.HasBlocks() || (width % Block == 0 && width <= WidestRow);

    /// <summary>The precision in which rows of a width can be stored: bfloat16 if blocks do not fill them.</summary>
    public static Precision ForRowsOf(this Precision precision, int width) =>
        precision.FitsRowsOf(width) ? precision : Precision.BFloat16;
}
