namespace Mamba.Checkpoints;

/// <summary>How an element of a stored tensor is written; named as in the safetensors format.</summary>
public enum ElementType
{
    /// <summary>float64.</summary>
    F64,

    /// <summary>float32.</summary>
    F32,

    /// <summary>IEEE half: 5 bits of exponent, 10 of fraction.</summary>
    F16,

    /// <summary>The upper half of a float32: 8 bits of exponent, 7 of fraction.</summary>
    BF16,

    /// <summary>8-bit float: 5 bits of exponent, 2 of fraction.</summary>
    F8E5M2,

    /// <summary>8-bit float: 4 bits of exponent, 3 of fraction.</summary>
    F8E4M3,

    /// <summary>Signed, 64 bits.</summary>
    I64,

    /// <summary>Signed, 32 bits.</summary>
    I32,

    /// <summary>Signed, 16 bits.</summary>
    I16,

    /// <summary>Signed, 8 bits.</summary>
    I8,

    /// <summary>Unsigned, 64 bits.</summary>
    U64,

    /// <summary>Unsigned, 32 bits.</summary>
    U32,

    /// <summary>Unsigned, 16 bits.</summary>
    U16,

    /// <summary>Unsigned, 8 bits.</summary>
    U8,

    /// <summary>One byte, 0 or 1.</summary>
    BOOL,
}
