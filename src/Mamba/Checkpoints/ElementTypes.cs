namespace Mamba.Checkpoints;

/// <summary>What follows from an <see cref="ElementType"/>.</summary>
internal static class ElementTypes
{
    /// <summary>The types that can be read as float32, for messages.</summary>
    public const string Floats = "F32, F16, BF16 or F64";

    /// <summary>Bytes of one element.</summary>
    public static int Size(this ElementType type) => type switch
    {
        ElementType.F64 or ElementType.I64 or ElementType.U64 => 8,
        ElementType.F32 or ElementType.I32 or ElementType.U32 => 4,
        ElementType.F16 or ElementType.BF16 or ElementType.I16 or ElementType.U16 => 2,
        ElementType.F8E5M2 or ElementType.F8E4M3 or ElementType.I8 or ElementType.U8 or ElementType.BOOL => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not an element type."),
    };

    /// <summary>Whether the elements can be read as float32.</summary>
    public static bool IsFloat(this ElementType type) =>
        type is ElementType.F64 or ElementType.F32 or ElementType.F16 or ElementType.BF16;

    /// <summary>Finds a type by the name that safetensors files use; null when there is none of that name.</summary>
    public static ElementType? Parse(string? name) => name switch
    {
        "F64" => ElementType.F64,
        "F32" => ElementType.F32,
        "F16" => ElementType.F16,
        "BF16" => ElementType.BF16,
        "F8_E5M2" => ElementType.F8E5M2,
        "F8_E4M3" => ElementType.F8E4M3,
        "I64" => ElementType.I64,
        "I32" => ElementType.I32,
        "I16" => ElementType.I16,
        "I8" => ElementType.I8,
        "U64" => ElementType.U64,
        "U32" => ElementType.U32,
        "U16" => ElementType.U16,
        "U8" => ElementType.U8,
        "BOOL" => ElementType.BOOL,
        _ => null,
    };
}
