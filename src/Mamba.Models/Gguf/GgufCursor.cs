using System.Buffers.Binary;
using System.Text;

namespace Mamba.Models.Gguf;

/// <summary>Reads numbers and texts of a mapped file one after another; nothing beyond its end.</summary>
internal unsafe ref struct GgufCursor(string path, byte* start, long length)
{
    private readonly byte* _start = start;

    public readonly string Path => path;

    public readonly long Length => length;

    /// <summary>The next byte.</summary>
    public long Position { get; private set; }

    public readonly long Remaining => length - Position;

    public uint UInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint), what));

    public ulong UInt64(string what) => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong), what));

    /// <summary>Reads a text: its length in bytes (64 bits), then UTF-8.</summary>
    public string Text(string what, int most)
    {
        ulong bytes = UInt64($"the length of {what}");
        if (bytes > (ulong)most)
        {
            throw new InvalidDataException(
                $"{path}: {what}, before byte {Position}: expected at most {most} bytes; found a length of {bytes}.");
        }

        return Encoding.UTF8.GetString(Take((long)bytes, what));
    }

    /// <summary>Moves past a text.</summary>
    public void SkipText(string what)
    {
        ulong bytes = UInt64($"the length of {what}");
        Skip(bytes, what);
    }

    /// <summary>Moves past some bytes.</summary>
    public void Skip(ulong bytes, string what)
    {
        if (bytes > (ulong)Remaining)
        {
            throw CutOff(what, bytes);
        }

        Position += (long)bytes;
    }

    private ReadOnlySpan<byte> Take(long bytes, string what)
    {
        if (bytes > Remaining)
        {
            throw CutOff(what, (ulong)bytes);
        }

        ReadOnlySpan<byte> taken = new(_start + Position, (int)bytes);
        Position += bytes;
        return taken;
    }

    private readonly InvalidDataException CutOff(string what, ulong bytes) => new(
        $"{path}: expected {bytes} bytes of {what} at byte {Position}; found {Remaining}, the end of the file. " +
        "Was it downloaded as a whole?");
}
