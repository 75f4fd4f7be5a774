using Mamba.Checkpoints;
using static System.Buffers.Binary.BinaryPrimitives;

namespace Mamba.Models.Checkpoints;

/// <summary>The record at the end of a zip archive that locates its directory.</summary>
/// <param name="Start">First byte of the directory.</param>
/// <param name="Length">Bytes of the directory.</param>
/// <param name="Count">Entries of the directory.</param>
internal readonly record struct ZipEnd(long Start, long Length, ulong Count)
{
    private const uint Signature = 0x06054b50, LocatorSignature = 0x07064b50, WideSignature = 0x06064b50;
    private const int RecordLength = 22, LocatorLength = 20, WideLength = 56;

    /// <summary>Searches backwards from the end of the file, because a comment may follow the record.</summary>
    /// <exception cref="InvalidDataException">There is no record, or the directory lies outside the file.</exception>
    public static ZipEnd Find(MappedFile file)
    {
        long tailStart = Math.Max(0, file.Length - RecordLength - ushort.MaxValue);
        using BorrowedBytes borrowed = file.Borrow(tailStart, file.Length - tailStart);
        ReadOnlySpan<byte> tail = borrowed.Span;
        int at = tail.Length - RecordLength;
        while (at >= 0 && !IsRecord(tail[at..]))
        {
            at--;
        }

        if (at < 0)
        {
            throw new InvalidDataException(
                $"{file.Path}: the file is cut off: found {file.Length} bytes, and no zip directory at their end. " +
                "Was it downloaded as a whole?");
        }

        ReadOnlySpan<byte> record = tail[at..];
        long end = tailStart + at;
        ulong count = ReadUInt16LittleEndian(record[10..]);
        ulong length = ReadUInt32LittleEndian(record[12..]), start = ReadUInt32LittleEndian(record[16..]);
        if (count == ushort.MaxValue || length == uint.MaxValue || start == uint.MaxValue)
        {
            (end, start, length, count) = FindWide(file, end);
        }

        return length <= (ulong)end && start <= (ulong)end - length
            ? new((long)start, (long)length, count)
            : throw new InvalidDataException(
                $"{file.Path}: expected a zip directory within {end} bytes; found {length} bytes from byte {start}.");
    }

    private static bool IsRecord(ReadOnlySpan<byte> tail) =>
        ReadUInt32LittleEndian(tail) == Signature && RecordLength + ReadUInt16LittleEndian(tail[20..]) == tail.Length;

    /// <summary>Finds the 64-bit record through the locator before the 32-bit record.</summary>
    private static (long End, ulong Start, ulong Length, ulong Count) FindWide(MappedFile file, long end)
    {
        if (end >= LocatorLength + WideLength)
        {
            using BorrowedBytes locator = file.Borrow(end - LocatorLength, LocatorLength);
            ulong at = ReadUInt64LittleEndian(locator.Span[8..]);
            if (ReadUInt32LittleEndian(locator.Span) == LocatorSignature
                && at <= (ulong)(end - LocatorLength - WideLength))
            {
                using BorrowedBytes wide = file.Borrow((long)at, WideLength);
                ReadOnlySpan<byte> record = wide.Span;
                if (ReadUInt32LittleEndian(record) == WideSignature)
                {
                    ulong count = ReadUInt64LittleEndian(record[32..]), length = ReadUInt64LittleEndian(record[40..]);
                    return ((long)at, ReadUInt64LittleEndian(record[48..]), length, count);
                }
            }
        }

        throw new InvalidDataException($"{file.Path}: expected a zip64 directory, as the zip record says; found none.");
    }
}
