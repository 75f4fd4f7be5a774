using Mamba.Kernels;

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

    /// <summary>
    /// 4-bit integers with 6-bit scales and minima of groups of 32, in blocks of 256 along a row: 4.5 bits per weight.
    /// The blocks of GGUF's Q4_K.
    /// </summary>
    Q4K,

    /// <summary>
    /// 5-bit integers with 6-bit scales and minima of groups of 32, in blocks of 256 along a row: 5.5 bits per weight.
    /// The blocks of GGUF's Q5_K.
    /// </summary>
    Q5K,

    /// <summary>
    /// 6-bit integers with 8-bit scales of groups of 16, in blocks of 256 along a row: 6.5625 bits per weight. The
    /// blocks of GGUF's Q6_K.
    /// </summary>
    Q6K,
}

internal static class PrecisionExtensions
{
    /// <summary>Maximum width of a row in blocks: a kernel keeps the scales of some rows on the stack.</summary>
    public const int WidestRow = 1 << 18;

    /// <summary>Whether this is a block format, whose rows cannot be split.</summary>
    public static bool HasBlocks(this Precision precision) => precision >= Precision.Int8;

    /// <summary>Number of weights of a block; 1 if the format has no blocks.</summary>
    public static int Block(this Precision precision) => precision switch
    {
        Precision.Float32 or Precision.BFloat16 or Precision.Float16 => 1,
        Precision.Int8 or Precision.Int4 => 32,
        _ => KWeights.Block,
    };

    /// <summary>Bytes of a number of elements, which must be whole blocks in block formats.</summary>
    public static nint Bytes(this Precision precision, nint count) => precision switch
    {
        Precision.Float32 => checked(count * sizeof(float)),
        Precision.BFloat16 or Precision.Float16 => checked(count * sizeof(ushort)),
        Precision.Int8 => checked(count + (count / 32 * sizeof(ushort))),
        Precision.Int4 => checked((count / 2) + (count / 32 * sizeof(ushort))),
        Precision.Q4K => checked(count / KWeights.Block * Q4KWeights.BlockBytes),
        Precision.Q5K => checked(count / KWeights.Block * Q5KWeights.BlockBytes),
        _ => checked(count / KWeights.Block * Q6KWeights.BlockBytes),
    };

    /// <summary>Whether rows of a width can be stored in this precision.</summary>
    public static bool FitsRowsOf(this Precision precision, int width) =>
        !precision.HasBlocks() || (width % precision.Block() == 0 && width <= WidestRow);

    /// <summary>
    /// This precision, or, if rows of that width do not fit it, the next that they fit: 8-bit integers, else bfloat16.
    /// </summary>
    public static Precision ForRowsOf(this Precision precision, int width) =>
        precision.FitsRowsOf(width) ? precision
        : precision.Block() == KWeights.Block && Precision.Int8.FitsRowsOf(width) ? Precision.Int8
        : Precision.BFloat16;
}
