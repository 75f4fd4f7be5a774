using System.Buffers.Binary;
using System.IO.Compression;

namespace Mamba.Tasks.Pixels;

/// <summary>An array of bytes as MNIST and its successors are published: IDX, plain or compressed (.gz).</summary>
/// <param name="Sizes">The sizes of its axes.</param>
/// <param name="Data">The elements, the last axis fastest.</param>
/// <remarks>LeCun, Cortes and Burges, "The MNIST database": two zeros, type, number of axes, sizes, elements.</remarks>
internal sealed record IdxFile(int[] Sizes, byte[] Data)
{
    private const byte UnsignedByte = 8;
    private const int MagicLength = 4;

    /// <summary>The most bytes that deflate makes of one.</summary>
    private const long MostInflation = 1032;

    /// <summary>Reads a file.</summary>
    /// <param name="path">Its path; what ends in .gz is decompressed.</param>
    /// <param name="axes">Number of axes that it must have.</param>
    /// <exception cref="InvalidDataException">It is no such file, or its size is not what its head says.</exception>
    public static IdxFile Read(string path, int axes)
    {
        using FileStream file = File.OpenRead(path);
        bool isCompressed = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase);
        using Stream content = isCompressed ? new GZipStream(file, CompressionMode.Decompress) : file;
        byte[] head = new byte[MagicLength + (axes * sizeof(int))];
        Fill(content, head, path);
        byte[] magic = [0, 0, UnsignedByte, (byte)axes];
        Require(
            head.AsSpan(0, MagicLength).SequenceEqual(magic), path, $"begins with {Convert.ToHexString(magic)}",
            Convert.ToHexString(head.AsSpan(0, MagicLength)));

        int[] sizes = new int[axes];
        long count = 1, room = Math.Min(isCompressed ? MostInflation * file.Length : file.Length, Array.MaxLength);
        for (int i = 0; i < axes; i++)
        {
            sizes[i] = BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(MagicLength + (i * sizeof(int))));

            // Before anything is allocated: sizes of ints, each at most the room, cannot overflow a long.
            Require(sizes[i] > 0 && sizes[i] <= room, path, $"has sizes of 1 to {room}", sizes[i]);
            count *= sizes[i];
            Require(count <= room, path, $"has at most {room} elements", $"{count} or more");
        }

        byte[] data = new byte[count];
        Fill(content, data, path);
        Require(content.ReadByte() < 0, path, $"ends after {head.Length + count} bytes", "more");
        return new(sizes, data);
    }

    private static void Fill(Stream content, Span<byte> bytes, string path)
    {
        int read = content.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        Require(read == bytes.Length, path, $"goes on for {bytes.Length} bytes", $"only {read}");
    }

    private static void Require(bool condition, string path, string expected, object found)
    {
        if (!condition)
        {
            throw new InvalidDataException($"{path}: expected an IDX file that {expected}; found {found}.");
        }
    }
}
