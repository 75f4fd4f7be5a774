namespace Mamba.Models.Gguf;

/// <summary>How the elements of a GGUF tensor are stored; the numbers are those of the format.</summary>
/// <remarks>Quantised types store blocks of 32 or 256 elements of a row with scales of their own.</remarks>
public enum GgufType
{
    /// <summary>float32.</summary>
    F32 = 0,

    /// <summary>IEEE half precision.</summary>
    F16 = 1,

    /// <summary>4-bit integers with a scale: 4.5 bits per element.</summary>
    Q4_0 = 2,

    /// <summary>4-bit integers with a scale and a minimum: 5 bits per element.</summary>
    Q4_1 = 3,

    /// <summary>5-bit integers with a scale: 5.5 bits per element.</summary>
    Q5_0 = 6,

    /// <summary>5-bit integers with a scale and a minimum: 6 bits per element.</summary>
    Q5_1 = 7,

    /// <summary>8-bit integers with a scale: 8.5 bits per element.</summary>
    Q8_0 = 8,

    /// <summary>2-bit integers, with 4-bit scales and minima of groups of 16: 2.625 bits per element.</summary>
    Q2_K = 10,

    /// <summary>3-bit integers, with 6-bit scales of groups of 16: 3.4375 bits per element.</summary>
    Q3_K = 11,

    /// <summary>4-bit integers, with 6-bit scales and minima of groups of 32: 4.5 bits per element.</summary>
    Q4_K = 12,

    /// <summary>5-bit integers, with 6-bit scales and minima of groups of 32: 5.5 bits per element.</summary>
    Q5_K = 13,

    /// <summary>6-bit integers, with 8-bit scales of groups of 16: 6.5625 bits per element.</summary>
    Q6_K = 14,

    /// <summary>4-bit indices into a table, with a scale: 4.5 bits per element.</summary>
    IQ4_NL = 20,

    /// <summary>4-bit indices into a table, with 6-bit scales of groups of 32: 4.25 bits per element.</summary>
    IQ4_XS = 23,

    /// <summary>float64.</summary>
    F64 = 28,

    /// <summary>The upper half of a float32.</summary>
    BF16 = 30,

    /// <summary>4-bit floats with a power of two as scale: 4.25 bits per element.</summary>
    MXFP4 = 39,
}
