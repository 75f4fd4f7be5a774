using System.Buffers.Binary;

namespace Mamba.Tests.Fuzz;

/// <summary>Changes of any file.</summary>
internal static class ByteMutation
{
    /// <summary>A random change.</summary>
    public static (byte[] Content, string Change) Of(byte[] content, Random random)
    {
        int at = random.Next(content.Length + 1), length = Math.Min(random.Next(1, 40), content.Length - at);
        switch (random.Next(7))
        {
            case 0 when length > 0:
                byte[] flipped = [.. content];
                flipped[at] ^= (byte)(1 << random.Next(8));
                return (flipped, $"a bit of byte {at}");
            case 1 when length > 0:
                byte[] set = [.. content];
                random.NextBytes(set.AsSpan(at, Math.Min(length, 8)));
                return (set, $"some bytes from {at}");
            case 2:
                return (content[..at], $"cut to {at} bytes");
            case 3:
                return ([.. content[..at], .. content[(at + length)..]], $"without {length} bytes from {at}");
            case 4:
                return ([.. content[..(at + length)], .. content[at..]], $"{length} bytes from {at} twice");
            case 5:
                byte[] more = new byte[random.Next(1, 40)];
                random.NextBytes(more);
                return ([.. content[..at], .. more, .. content[at..]], $"{more.Length} bytes more at {at}");
            default:
                return Number(content, at, 1 << random.Next(4), random);
        }
    }

    /// <summary>A boundary number in a field.</summary>
    /// <param name="content">The file.</param>
    /// <param name="at">Where the field begins.</param>
    /// <param name="size">Its bytes: 1, 2, 4 or 8.</param>
    /// <param name="random">Chooses the number.</param>
    public static (byte[] Content, string Change) Number(byte[] content, int at, int size, Random random)
    {
        ulong number = BoundaryValues.Numbers[random.Next(BoundaryValues.Numbers.Length)];
        byte[] bytes = new byte[8], changed = [.. content];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, number);
        size = Math.Min(size, changed.Length - at);
        bytes.AsSpan(0, size).CopyTo(changed.AsSpan(at));
        return (changed, $"{number} in {size} bytes at {at}");
    }
}
