using System.IO.Compression;

namespace Mamba.Tests.Checkpoints;

/// <summary>Makes zip archives as PyTorch lays them out.</summary>
internal static class TorchArchive
{
    public static byte[] Make(
        byte[] pickle, Dictionary<string, byte[]> storages, string folder = "archive",
        CompressionLevel compression = CompressionLevel.NoCompression)
    {
        Dictionary<string, byte[]> files = new() { [$"{folder}/data.pkl"] = pickle, [$"{folder}/version"] = "3\n"u8.ToArray() };
        foreach ((string key, byte[] content) in storages)
        {
            files.Add($"{folder}/data/{key}", content);
        }

        return Zip(files, compression);
    }

    public static byte[] Zip(
        Dictionary<string, byte[]> files, CompressionLevel compression = CompressionLevel.NoCompression)
    {
        using MemoryStream stream = new();
        using (ZipArchive archive = new(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach ((string name, byte[] content) in files)
            {
                using Stream entry = archive.CreateEntry(name, compression).Open();
                entry.Write(content);
            }
        }

        return stream.ToArray();
    }
}
