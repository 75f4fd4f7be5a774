namespace Mamba.Models.Gguf;

/// <summary>The place of a key's value in a file.</summary>
/// <param name="Type">Type of the value, or of each item of a list.</param>
/// <param name="Offset">First byte of the value, or of the first item.</param>
/// <param name="Count">Number of items of a list; -1: the value is no list.</param>
internal readonly record struct GgufValue(GgufValueType Type, long Offset, long Count = -1)
{
    public bool IsList => Count >= 0;

    /// <summary>Bytes of a value; 0 for texts, whose lengths differ.</summary>
    public static int Size(GgufValueType type) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Bool => 1,
        GgufValueType.UInt16 or GgufValueType.Int16 => 2,
        GgufValueType.UInt32 or GgufValueType.Int32 or GgufValueType.Float32 => 4,
        GgufValueType.UInt64 or GgufValueType.Int64 or GgufValueType.Float64 => 8,
        _ => 0,
    };

    public override string ToString() => IsList ? $"a list of {Count} of {Type}" : $"a value of {Type}";
}
