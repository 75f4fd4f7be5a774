using System.Globalization;

namespace Mamba.Models.Gguf;

/// <summary>Sizes and names of the types of tensors.</summary>
internal static class GgufTypes
{
    /// <summary>Types that the format has and this library does not read, for messages.</summary>
    private static readonly Dictionary<uint, string> _unread = new()
    {
        [4] = "Q4_2, which was removed from the format", [5] = "Q4_3, which was removed from the format",
        [9] = "Q8_1", [15] = "Q8_K", [16] = "IQ2_XXS", [17] = "IQ2_XS", [18] = "IQ3_XXS", [19] = "IQ1_S",
        [21] = "IQ3_S", [22] = "IQ2_S", [24] = "I8", [25] = "I16", [26] = "I32", [27] = "I64", [29] = "IQ1_M",
        [31] = "Q4_0_4_4, which was removed from the format", [32] = "Q4_0_4_8, which was removed from the format",
        [33] = "Q4_0_8_8, which was removed from the format", [34] = "TQ1_0", [35] = "TQ2_0",
    };

    /// <summary>Elements of a block, and its bytes; 1 element if the type has no blocks.</summary>
    public static (int Elements, int Bytes) Block(this GgufType type) => type switch
    {
        GgufType.F32 => (1, 4),
        GgufType.F16 or GgufType.BF16 => (1, 2),
        GgufType.F64 => (1, 8),
        GgufType.Q4_0 or GgufType.IQ4_NL => (32, 18),
        GgufType.Q4_1 => (32, 20),
        GgufType.Q5_0 => (32, 22),
        GgufType.Q5_1 => (32, 24),
        GgufType.Q8_0 => (32, 34),
        GgufType.MXFP4 => (32, 17),
        GgufType.Q2_K => (256, 84),
        GgufType.Q3_K => (256, 110),
        GgufType.Q4_K => (256, 144),
        GgufType.Q5_K => (256, 176),
        GgufType.Q6_K => (256, 210),
        GgufType.IQ4_XS => (256, 136),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not a type of tensor."),
    };

    /// <summary>The type of a number in a file; null if this library does not read it.</summary>
    public static GgufType? Parse(uint id) => Enum.IsDefined((GgufType)id) ? (GgufType)id : null;

    /// <summary>Names a type that is not read, for messages.</summary>
    public static string NameOf(uint id) =>
        string.Create(CultureInfo.InvariantCulture, $"{id} ({_unread.GetValueOrDefault(id, "unknown")})");
}
