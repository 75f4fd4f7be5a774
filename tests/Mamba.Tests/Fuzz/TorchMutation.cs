using System.IO.Compression;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Fuzz;

/// <summary>Changes of a PyTorch file: instructions of its pickle, fields of its zip archive, its entries.</summary>
internal static class TorchMutation
{
    /// <summary>Instructions, some with operands, that change what stands on the pickle machine's stack.</summary>
    private static readonly byte[][] _instructions =
    [
        .. "N()]}taesuRbQ.o02"u8.ToArray().Select(opcode => new[] { opcode }),
        [0x81], [0x85], [0x86], [0x87], [0x88], [0x89], [0x93], [0x94], [0x80, 9],
        [(byte)'K', 0], [(byte)'K', 255], [(byte)'M', 0xFF, 0xFF], [(byte)'J', 0, 0, 0, 0x80],
        [(byte)'J', 0xFF, 0xFF, 0xFF, 0x7F], [0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 0x80],
        [0x8a, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], [0x8a, 255], [0x8a, 0],
        [(byte)'h', 0], [(byte)'h', 5], [(byte)'j', 0, 0, 0, 0], [(byte)'q', 0], [(byte)'q', 200],
        [(byte)'r', 0xFF, 0xFF, 0xFF, 0x7F], [0x95, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        [(byte)'X', 1, 0, 0, 0, (byte)'x'], [(byte)'X', 1, 0, 0, 0, 0xFF], [(byte)'X', 0xFF, 0xFF, 0xFF, 0xFF],
        [0x8d, 0, 0, 0, 0, 0, 0, 0, 0x80],
        "cos\nsystem\n"u8.ToArray(), "ctorch\nFloatStorage\n"u8.ToArray(), "ctorch\nHalfStorage\n"u8.ToArray(),
    ];

    /// <summary>Offsets and sizes of the fields of the four records of a zip archive.</summary>
    private static readonly (byte[] Signature, (int At, int Size)[] Fields)[] _records =
    [
        ([0x50, 0x4B, 3, 4], [(4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)]),
        (
            [0x50, 0x4B, 1, 2],
            [(6, 2), (8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (34, 2), (42, 4)]),
        ([0x50, 0x4B, 5, 6], [(4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)]),
        ([0x50, 0x4B, 6, 6], [(24, 8), (32, 8), (40, 8), (48, 8)]),
    ];

    /// <summary>A random change.</summary>
    public static (byte[] Content, string Change) Of(byte[] content, Random random)
    {
        Dictionary<string, byte[]>? entries = EntriesOf(content);
        string? pickle = entries?.Keys.FirstOrDefault(name => name.EndsWith("data.pkl", StringComparison.Ordinal));
        if (entries is null || pickle is null || random.Next(3) == 0)
        {
            return Field(content, random);
        }

        string change;
        if (random.Next(8) == 0)
        {
            change = Entry(entries, random);
        }
        else
        {
            (entries[pickle], change) = Pickle(entries[pickle], random);
        }

        return random.Next(20) == 0
            ? (TorchArchive.Zip(entries, _ => CompressionLevel.Fastest), $"{change}, compressed")
            : (TorchArchive.Zip(entries), change);
    }

    private static (byte[] Content, string Change) Pickle(byte[] pickle, Random random)
    {
        int at = random.Next(pickle.Length), end = Math.Min(pickle.Length, at + random.Next(1, 60));
        byte[] instruction = _instructions[random.Next(_instructions.Length)];
        string what = $"instruction {instruction[0]:x2}";
        switch (random.Next(5))
        {
            case 0:
                return ([.. pickle[..at], .. instruction, .. pickle[at..]], $"{what} at {at}");
            case 1:
                return ([.. pickle[..at], .. instruction, .. pickle[(at + 1)..]], $"{what} for byte {at}");
            case 2:
                int times = random.Next(2, 200);
                IEnumerable<byte> repeated = Enumerable.Repeat(pickle[at..end], times).SelectMany(bytes => bytes);
                return ([.. pickle[..at], .. repeated, .. pickle[end..]], $"bytes {at} to {end} {times} times");
            case 3:
                int from = random.Next(pickle.Length);
                return (
                    [.. pickle[..from], .. pickle[at..end], .. pickle[from..]], $"bytes {at} to {end} again at {from}");
            default:
                return ByteMutation.Of(pickle, random);
        }
    }

    /// <summary>Renames, removes, cuts or lengthens an entry.</summary>
    private static string Entry(Dictionary<string, byte[]> entries, Random random)
    {
        string name = entries.Keys.ElementAt(random.Next(entries.Count));
        byte[] content = entries[name];
        switch (random.Next(4))
        {
            case 0:
                entries.Remove(name);
                return $"without {name}";
            case 1:
                entries.Remove(name);
                entries[$"{name}x"] = content;
                return $"{name} renamed";
            case 2:
                entries[name] = content[..random.Next(content.Length + 1)];
                return $"{name} cut";
            default:
                entries[name] = [.. content, .. new byte[random.Next(1, 9)]];
                return $"{name} longer";
        }
    }

    private static (byte[] Content, string Change) Field(byte[] content, Random random)
    {
        (byte[] signature, (int At, int Size)[] fields) = _records[random.Next(_records.Length)];
        List<int> places = [];
        for (int at = 0; at < content.Length; at++)
        {
            if (content.AsSpan(at).StartsWith(signature))
            {
                places.Add(at);
            }
        }

        (int offset, int size) = fields[random.Next(fields.Length)];
        int place = places.Count == 0 ? content.Length : places[random.Next(places.Count)] + offset;
        return place + size <= content.Length
            ? ByteMutation.Number(content, place, size, random)
            : ByteMutation.Of(content, random);
    }

    private static Dictionary<string, byte[]>? EntriesOf(byte[] content)
    {
        try
        {
            using ZipArchive archive = new(new MemoryStream(content));
            IEnumerable<ZipArchiveEntry> named = archive.Entries.Where(entry => entry.FullName.Length > 0);
            return named.ToDictionary(entry => entry.FullName, entry =>
            {
                using MemoryStream copy = new();
                using Stream stream = entry.Open();
                stream.CopyTo(copy);
                return copy.ToArray();
            });
        }
        catch (Exception e) when (
            e is InvalidDataException or ArgumentException or IOException or NotSupportedException)
        {
            return null; // an earlier change has left no archive
        }
    }
}
