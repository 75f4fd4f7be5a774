using System.Text;

namespace Mamba.Tests.Fuzz;

/// <summary>Changes of a text of lines, whose cells commas or two spaces divide.</summary>
internal static class LineMutation
{
    private static readonly byte[][] _cells =
    [
        [], " "u8.ToArray(), ".."u8.ToArray(), "../x"u8.ToArray(), "/dev/zero"u8.ToArray(), "a/b"u8.ToArray(),
        "a\\b"u8.ToArray(), "c:x"u8.ToArray(), [0], [0xFF], "SHA256SUMS"u8.ToArray(), "skipped"u8.ToArray(),
        "-1"u8.ToArray(), "1,5"u8.ToArray(), "٣"u8.ToArray(), "1e308"u8.ToArray(), "-1e308"u8.ToArray(),
        Encoding.ASCII.GetBytes(new string('0', 64)), Encoding.ASCII.GetBytes(new string('A', 64)),
        .. BoundaryValues.Json,
    ];

    /// <summary>A random change of a line or of a cell.</summary>
    /// <param name="text">The lines.</param>
    /// <param name="separator">What divides cells.</param>
    /// <param name="random">Chooses.</param>
    public static (byte[] Content, string Change) Of(byte[] text, ReadOnlySpan<byte> separator, Random random)
    {
        List<byte[]> lines = Split(text, "\n"u8);
        int at = random.Next(lines.Count), other = random.Next(lines.Count);
        string change;
        switch (random.Next(6))
        {
            case 0:
                lines.RemoveAt(at);
                change = "removed";
                break;
            case 1:
                lines.Insert(other, lines[at]);
                change = $"also line {other}";
                break;
            case 2:
                (lines[at], lines[other]) = (lines[other], lines[at]);
                change = $"and line {other} exchanged";
                break;
            default:
                List<byte[]> cells = Split(lines[at], separator);
                int cell = random.Next(cells.Count);
                cells[cell] = _cells[random.Next(_cells.Length)];
                ReadOnlySpan<byte> shown = cells[cell].AsSpan(0, Math.Min(cells[cell].Length, 30));
                change = $"cell {cell} = {Encoding.UTF8.GetString(shown)}";
                lines[at] = Join(cells, separator);
                break;
        }

        return (Join(lines, "\n"u8), $"line {at} {change}");
    }

    private static List<byte[]> Split(ReadOnlySpan<byte> text, ReadOnlySpan<byte> separator)
    {
        List<byte[]> parts = [];
        for (int at = text.IndexOf(separator); at >= 0; at = text.IndexOf(separator))
        {
            parts.Add(text[..at].ToArray());
            text = text[(at + separator.Length)..];
        }

        parts.Add(text.ToArray());
        return parts;
    }

    private static byte[] Join(List<byte[]> parts, ReadOnlySpan<byte> separator)
    {
        List<byte> joined = [];
        for (int i = 0; i < parts.Count; i++)
        {
            joined.AddRange(i > 0 ? separator : []);
            joined.AddRange(parts[i]);
        }

        return [.. joined];
    }
}
