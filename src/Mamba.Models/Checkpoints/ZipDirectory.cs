using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Mamba.Checkpoints;

namespace Mamba.Models.Checkpoints;

/// <summary>The directory of a zip archive, read from a mapped file and checked against it.</summary>
/// <remarks>
/// Needed because <see cref="ZipArchive"/> does not give the position of a stored entry, which is used in place.
/// The format is APPNOTE.TXT 6.3; split and encrypted archives are rejected. Checksums are not verified.
/// </remarks>
internal sealed unsafe class ZipDirectory
{
    private const uint EntrySignature = 0x02014b50, LocalSignature = 0x04034b50;
    private const int EntryLength = 46, LocalLength = 30;
    private const int Stored = 0, Deflated = 8;
    private const ushort Zip64Extra = 1;

    private const long MaxDirectory = 4 << 20; // room for 60,000 entries; models have a thousand

    private readonly Dictionary<string, ZipEntry> _entries = [];
    private readonly MappedFile _file;

    private ZipDirectory(MappedFile file) => _file = file;

    public IReadOnlyDictionary<string, ZipEntry> Entries => _entries;

    /// <summary>Reads and checks the directory.</summary>
    /// <exception cref="InvalidDataException">The file is not a zip archive, damaged, or has shared bytes.</exception>
    public static ZipDirectory Read(MappedFile file)
    {
        ZipDirectory directory = new(file);
        directory.ReadEntries(ZipEnd.Find(file));
        directory.CheckOverlap();
        return directory;
    }

    /// <summary>Borrows the bytes of a stored entry in place.</summary>
    public BorrowedBytes Borrow(ZipEntry entry) => _file.Borrow(entry.Offset, entry.StoredLength);

    /// <summary>Copies an entry's bytes, stored or deflated; the caller has checked the length.</summary>
    /// <exception cref="InvalidDataException">The compressed bytes are damaged, too few or too many.</exception>
    public byte[] Read(ZipEntry entry)
    {
        using BorrowedBytes stored = Borrow(entry);
        return entry.IsDeflated ? Inflate(entry, stored) : stored.Span.ToArray();
    }

    private void ReadEntries(ZipEnd end)
    {
        if (end.Length > MaxDirectory)
        {
            throw Refuse($"a zip directory of at most {MaxDirectory} bytes", $"{end.Length}");
        }

        using BorrowedBytes borrowed = _file.Borrow(end.Start, end.Length);
        ReadOnlySpan<byte> rest = borrowed.Span;
        while (rest.Length > 0)
        {
            if (rest.Length < EntryLength || U32(rest, 0) != EntrySignature)
            {
                throw Refuse("an entry of the directory", $"none, {rest.Length} bytes before its end");
            }

            int nameLength = U16(rest, 28), extraLength = U16(rest, 30);
            int total = EntryLength + nameLength + extraLength + U16(rest, 32);
            if (total > rest.Length)
            {
                throw Refuse($"an entry of {total} bytes", $"the directory's end after {rest.Length}");
            }

            ZipEntry entry = ReadEntry(rest[..total], nameLength, extraLength, end.Start);
            if (!_entries.TryAdd(entry.Name, entry))
            {
                throw Refuse($"one entry \"{entry.Name}\"", "two of that name");
            }

            rest = rest[total..];
        }

        if ((ulong)_entries.Count != end.Count)
        {
            throw Refuse($"{end.Count} entries, as the directory says", $"{_entries.Count}");
        }
    }

    private ZipEntry ReadEntry(ReadOnlySpan<byte> record, int nameLength, int extraLength, long directoryStart)
    {
        string name = Encoding.UTF8.GetString(record.Slice(EntryLength, nameLength));
        (int flags, int method) = (U16(record, 8), U16(record, 10));
        if ((flags & 1) != 0 || method is not (Stored or Deflated))
        {
            throw Refuse($"\"{name}\" stored or deflated, and not encrypted", $"flags {flags}, method {method}");
        }

        (ulong stored, ulong length, ulong header) = (U32(record, 20), U32(record, 24), U32(record, 42));
        ReadOnlySpan<byte> wide = Zip64Fields(record.Slice(EntryLength + nameLength, extraLength));
        length = Widen(length, ref wide, name);
        stored = Widen(stored, ref wide, name);
        header = Widen(header, ref wide, name);

        if (header > (ulong)Math.Max(0, directoryStart - LocalLength))
        {
            throw Refuse($"\"{name}\" before byte {directoryStart}", $"it at byte {header}");
        }

        using BorrowedBytes borrowed = _file.Borrow((long)header, LocalLength);
        ReadOnlySpan<byte> local = borrowed.Span;
        long offset = (long)header + LocalLength + U16(local, 26) + U16(local, 28);
        if (U32(local, 0) != LocalSignature || U16(local, 26) != nameLength || U16(local, 8) != method
            || offset > directoryStart || !HasName(header, record.Slice(EntryLength, nameLength)))
        {
            throw Refuse($"a header of \"{name}\" at byte {header}", "another");
        }

        if (stored > (ulong)(directoryStart - offset))
        {
            throw Refuse($"\"{name}\" within {directoryStart} bytes", $"{stored} bytes from byte {offset}");
        }

        bool isPlausible = method == Deflated ? length <= long.MaxValue : length == stored;
        return isPlausible
            ? new(name, (long)header, offset, (long)stored, (long)length, method == Deflated)
            : throw Refuse($"\"{name}\" of a length that its {stored} bytes can hold", $"{length}");
    }

    /// <summary>The zip64 field of an entry: in order, the values that do not fit in 32 bits.</summary>
    private static ReadOnlySpan<byte> Zip64Fields(ReadOnlySpan<byte> extra)
    {
        while (extra.Length >= 4)
        {
            int length = Math.Min(U16(extra, 2), extra.Length - 4);
            if (U16(extra, 0) == Zip64Extra)
            {
                return extra.Slice(4, length);
            }

            extra = extra[(4 + length)..];
        }

        return [];
    }

    private ulong Widen(ulong value, ref ReadOnlySpan<byte> wide, string name)
    {
        if (value != uint.MaxValue)
        {
            return value;
        }

        if (wide.Length < sizeof(ulong))
        {
            throw Refuse($"\"{name}\" with 64-bit sizes", "none");
        }

        value = U64(wide, 0);
        wide = wide[sizeof(ulong)..];
        return value;
    }

    /// <summary>Rejects entries that share bytes: else a small file could hold any number of large tensors.</summary>
    private void CheckOverlap()
    {
        long end = 0;
        foreach (ZipEntry entry in _entries.Values.OrderBy(entry => entry.Header))
        {
            if (entry.Header < end)
            {
                throw Refuse($"\"{entry.Name}\" at or after byte {end}", $"an overlap from byte {entry.Header}");
            }

            end = entry.Offset + entry.StoredLength;
        }
    }

    private byte[] Inflate(ZipEntry entry, BorrowedBytes stored)
    {
        byte[] inflated = new byte[entry.Length];
        using UnmanagedMemoryStream source = new(stored.Start, stored.Length);
        using DeflateStream inflater = new(source, CompressionMode.Decompress);
        int done;
        bool more;
        try
        {
            done = inflater.ReadAtLeast(inflated, inflated.Length, throwOnEndOfStream: false);
            more = inflater.ReadByte() >= 0;
        }
        catch (InvalidDataException e)
        {
            throw Refuse($"deflated bytes in \"{entry.Name}\"", e.Message, e);
        }

        return done == inflated.Length && !more
            ? inflated
            : throw Refuse($"{entry.Length} bytes in \"{entry.Name}\"", more ? "more" : $"{done}");
    }

    private bool HasName(ulong header, ReadOnlySpan<byte> name)
    {
        using BorrowedBytes local = _file.Borrow((long)header + LocalLength, name.Length);
        return local.Span.SequenceEqual(name);
    }

    private InvalidDataException Refuse(string expected, string found, Exception? inner = null) =>
        new($"{_file.Path}: expected {expected}; found {found}.", inner);

    private static ushort U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);
}
