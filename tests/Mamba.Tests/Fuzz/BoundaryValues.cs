using System.Text;

namespace Mamba.Tests.Fuzz;

/// <summary>Values at which readers break: ends of ranges and of number types, other types, broken text.</summary>
internal static class BoundaryValues
{
    private static readonly string[] _text =
    [
        "null", "true", "false", "\"\"", "\"auto\"", "\"none\"", "\"Infinity\"", "\"0\"", "\"\\u0000\"", "\"\\ud800\"",
        "\"../x\"", "\"config.json\"", "[]", "[0]", "[1, 2]", "[2, 1]", "[0, Infinity]", "[NaN, NaN]",
        "[Infinity, Infinity]",
        "[null]", "[[1]]", "[\"x\"]", "{}", "{\"a\": 1}", "{\"__float__\": \"Infinity\"}", "{\"__float__\": \"NaN\"}",
        "{\"__float__\": 1}", "0", "-0", "1", "-1", "2", "3", "4", "5", "6", "7", "8", "15", "16", "17", "64", "127",
        "128", "255", "256", "1023", "4095", "4096", "4097", "65535", "65536", "1048576", "1048577",
        "16777216", "16777217",
        "268435456", "1073741824", "1073741828", "2147483583", "2147483646", "2147483647", "2147483648", "-2147483648",
        "4294967295", "4294967296", "9223372036854775807", "-9223372036854775808", "18446744073709551616", "0.5", "1.5",
        "2.0", "-0.5", "1e9", "1e18", "1e39", "1e300", "-1e300", "1e999", "-1e999", "1e-46", "1e-300", "1e-999", "NaN",
        "Infinity", "-Infinity", "nan", "+1", "01", "1.", ".5",
    ];

    /// <summary>The values as JSON, or as what is none.</summary>
    public static readonly byte[][] Json =
    [
        .. _text.Select(Encoding.UTF8.GetBytes),
        [(byte)'"', 0xFF, (byte)'"'],
        [(byte)'"', 0xED, 0xA0, 0x80, (byte)'"'],
        Encoding.UTF8.GetBytes(new string('9', 400)),
        Encoding.UTF8.GetBytes('"' + new string('x', 5000) + '"'),
        Encoding.UTF8.GetBytes(new string('[', 70) + new string(']', 70)),
        Encoding.UTF8.GetBytes(new string('[', 10_000)),
        Encoding.UTF8.GetBytes($"[{string.Join(",", Enumerable.Repeat("0", 5000))}]"),
    ];

    /// <summary>Numbers for fields of 1, 2, 4 and 8 bytes.</summary>
    public static readonly ulong[] Numbers =
    [
        0, 1, 2, 3, 7, 8, 9, 20, 22, 30, 46, 127, 128, 255, 256, 0x7FFF, 0xFFFE, 0xFFFF, 0x10000, 0x7FFF_FFFF,
        0x8000_0000,
        0xFFFF_FFF0, 0xFFFF_FFFE, 0xFFFF_FFFF, 0x1_0000_0000, 0x4000_0000_0000_0000, 0x7FFF_FFFF_FFFF_FFF0,
        0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFF0, 0xFFFF_FFFF_FFFF_FFFF,
    ];
}
