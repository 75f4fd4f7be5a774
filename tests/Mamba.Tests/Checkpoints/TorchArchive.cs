using System.IO.Compression;
using System.Text;

namespace Mamba.Tests.Checkpoints;

/// <summary>Makes zip archives as PyTorch lays them out.</summary>
internal static class TorchArchive
{
    /// <summary>An archive whose pickle may be compressed; PyTorch stores all as it is.</summary>
    public static byte[] Make(
        byte[] pickle, Dictionary<string, byte[]> storages, string folder = "archive",
        CompressionLevel compression = CompressionLevel.NoCompression)
    {
        Dictionary<string, byte[]> files = new()
        {
            [$"{folder}/data.pkl"] = pickle,
            [$"{folder}/version"] = "3\n"u8.ToArray(),
        };
        foreach ((string key, byte[] content) in storages)
        {
            files.Add($"{folder}/data/{key}", content);
        }

        return Zip(
            files,
            name => name.Contains("/data/", StringComparison.Ordinal) ? CompressionLevel.NoCompression : compression);
    }

    public static byte[] Zip(Dictionary<string, byte[]> files) => Zip(files, _ => CompressionLevel.NoCompression);

    public static byte[] Zip(Dictionary<string, byte[]> files, Func<string, CompressionLevel> compression)
    {
        using MemoryStream stream = new();
        using (ZipArchive archive = new(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach ((string name, byte[] content) in files)
            {
                ZipArchiveEntry entry = archive.CreateEntry(name, compression(name));
                entry.LastWriteTime = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero); // the same bytes every time
                using Stream target = entry.Open();
                target.Write(content);
            }
        }

        return stream.ToArray();
    }

    /// <summary>An archive in the form for more than 4 GB: every 32-bit number refers to a 64-bit one.</summary>
    public static byte[] Zip64(Dictionary<string, byte[]> files)
    {
        using MemoryStream stream = new();
        using BinaryWriter writer = new(stream);
        using MemoryStream directory = new();
        using BinaryWriter entries = new(directory);
        foreach ((string name, byte[] content) in files)
        {
            long header = stream.Position;
            writer.Write(0x04034b50);
            writer.Write(new byte[22]);
            writer.Write((ushort)name.Length);
            writer.Write((ushort)0);
            writer.Write(Encoding.ASCII.GetBytes(name));
            writer.Write(content);

            entries.Write(0x02014b50);
            entries.Write(new byte[16]);
            entries.Write(ulong.MaxValue); // both lengths
            entries.Write((ushort)name.Length);
            entries.Write((ushort)(6 + 4 + 24));
            entries.Write(new byte[10]);
            entries.Write(uint.MaxValue); // place
            entries.Write(Encoding.ASCII.GetBytes(name));
            entries.Write([0xFE, 0xCA, 2, 0, 7, 7, 1, 0, 24, 0]); // a field of somebody else, then ours
            entries.Write((long)content.Length);
            entries.Write((long)content.Length);
            entries.Write(header);
        }

        long start = stream.Position;
        writer.Write(directory.ToArray());
        long end = stream.Position;
        writer.Write(0x06064b50);
        writer.Write(44L);
        writer.Write(new byte[20]);
        writer.Write((long)files.Count);
        writer.Write(directory.Length);
        writer.Write(start);

        writer.Write(0x07064b50);
        writer.Write(0);
        writer.Write(end);
        writer.Write(1);

        writer.Write(0x06054b50);
        writer.Write(new byte[4]);
        writer.Write(uint.MaxValue); // both counts
        writer.Write(ulong.MaxValue); // length and place
        writer.Write((ushort)0);
        return stream.ToArray();
    }
}
