using System.Numerics;
using Mamba.Checkpoints;

namespace Mamba.Models.Gguf;

/// <summary>The header of a GGUF file: keys, and names, types and places of tensors, compared with the file.</summary>
/// <remarks>
/// The layout, little-endian: "GGUF", version (32 bits), number of tensors, number of keys (64 bits each), keys,
/// tensors, padding, elements. The header is not trusted: every count and length is compared with the bytes that are
/// left before memory is allocated.
/// </remarks>
internal sealed class GgufHeader
{
    /// <summary>Multiple at which the elements of every tensor begin, if the key is absent.</summary>
    public const int DefaultAlignment = 32;

    public const string Alignment = "general.alignment";

    /// <summary>Bytes of a name of a tensor are fewer than this.</summary>
    public const int MostNameBytes = 64;

    private const int MostKeys = 1 << 16, MostTensors = 1 << 20, MostKeyBytes = (1 << 16) - 1, MostAxes = 4;

    private readonly string _path;
    private readonly int _part;
    private readonly Dictionary<string, GgufValue> _values = [];
    private readonly List<GgufTensor> _tensors = [];

    private GgufHeader(MappedFile file, int part)
    {
        _path = file.Path;
        _part = part;
        Keys = new(file, _values);
    }

    public GgufKeys Keys { get; }

    /// <summary>The tensors, in the order of the file.</summary>
    public IReadOnlyList<GgufTensor> Tensors => _tensors;

    /// <summary>Reads and checks the header.</summary>
    /// <param name="file">The file.</param>
    /// <param name="part">Its index among the files of a model.</param>
    /// <exception cref="InvalidDataException">The file does not keep to the format.</exception>
    public static unsafe GgufHeader Read(MappedFile file, int part)
    {
        using BorrowedBytes all = file.Borrow(0, file.Length);
        GgufCursor cursor = new(file.Path, all.Start, file.Length);
        GgufHeader header = new(file, part);
        (long tensors, long keys) = header.ReadCounts(ref cursor);
        for (long i = 0; i < keys; i++)
        {
            header.ReadKey(ref cursor, i);
        }

        List<(string Name, GgufType Type, long[] Shape, ulong Offset)> places = [];
        for (long i = 0; i < tensors; i++)
        {
            places.Add(header.ReadTensor(ref cursor, i));
        }

        header.Place(places, cursor.Position, file.Length);
        return header;
    }

    private (long Tensors, long Keys) ReadCounts(ref GgufCursor cursor)
    {
        uint magic = cursor.UInt32("\"GGUF\"");
        if (magic != 0x46554747)
        {
            throw new InvalidDataException(
                $"{_path}: expected a file that begins with \"GGUF\"; found the bytes {magic & 255:x2} " +
                $"{(magic >> 8) & 255:x2} {(magic >> 16) & 255:x2} {magic >> 24:x2}.");
        }

        uint version = cursor.UInt32("the version");
        if (version is not (2 or 3))
        {
            string advice = (version & 0xFFFF) == 0 && version != 0 ? " The file is big-endian." : "";
            throw new InvalidDataException($"{_path}: expected GGUF version 2 or 3; found {version}.{advice}");
        }

        ulong tensors = cursor.UInt64("the number of tensors"), keys = cursor.UInt64("the number of keys");
        RequireCount("tensors", tensors, MostTensors);
        RequireCount("keys", keys, MostKeys);
        return ((long)tensors, (long)keys);
    }

    private void RequireCount(string what, ulong count, int most)
    {
        if (count > (ulong)most)
        {
            throw new InvalidDataException($"{_path}: expected at most {most} {what}; found a number of {count}.");
        }
    }

    private void ReadKey(ref GgufCursor cursor, long index)
    {
        string name = cursor.Text($"the name of key {index}", MostKeyBytes);
        if (name.Length == 0)
        {
            throw new InvalidDataException($"{_path}: key {index}: expected a name; found an empty one.");
        }

        GgufValueType type = ReadType(ref cursor, name);
        long count = -1;
        if (type == GgufValueType.List)
        {
            type = ReadType(ref cursor, name);
            if (type == GgufValueType.List)
            {
                throw Refuse(name, "a list of values", "a list of lists");
            }

            ulong items = cursor.UInt64($"the length of the list \"{name}\"");
            int least = type == GgufValueType.Text ? sizeof(ulong) : GgufValue.Size(type);
            count = items <= (ulong)(cursor.Remaining / least)
                ? (long)items
                : throw Refuse(
                    name, $"at most {cursor.Remaining / least} items, for which the file has room",
                    $"a length of {items}");
        }

        if (!_values.TryAdd(name, new(type, cursor.Position, count)))
        {
            throw new InvalidDataException($"{_path}: expected one key \"{name}\"; found two of that name.");
        }

        SkipValues(ref cursor, name, type, count);
    }

    private static void SkipValues(ref GgufCursor cursor, string name, GgufValueType type, long count)
    {
        string what = $"the value of \"{name}\"";
        if (type != GgufValueType.Text)
        {
            cursor.Skip((ulong)(Math.Abs(count) * GgufValue.Size(type)), what); // count is -1 for one value
            return;
        }

        for (long i = 0; i < Math.Abs(count); i++)
        {
            cursor.SkipText(what);
        }
    }

    private GgufValueType ReadType(ref GgufCursor cursor, string key)
    {
        uint type = cursor.UInt32($"the type of \"{key}\"");
        return type <= (uint)GgufValueType.Float64
            ? (GgufValueType)type
            : throw Refuse(key, "a type of value from 0 to 12", $"{type}");
    }

    private (string Name, GgufType Type, long[] Shape, ulong Offset) ReadTensor(ref GgufCursor cursor, long index)
    {
        string name = cursor.Text($"the name of tensor {index}", MostNameBytes - 1);
        if (name.Length == 0)
        {
            throw new InvalidDataException($"{_path}: tensor {index}: expected a name; found an empty one.");
        }

        string what = $"tensor \"{name}\"";
        uint axes = cursor.UInt32(what);
        if (axes is 0 or > MostAxes)
        {
            throw RefuseTensor(name, $"1 to {MostAxes} axes", $"{axes}");
        }

        List<long> sizes = [];
        UInt128 count = 1;
        for (uint i = 0; i < axes; i++)
        {
            ulong size = cursor.UInt64(what);
            count *= size;
            if (size == 0 || count > long.MaxValue / 8)
            {
                throw RefuseTensor(name, "sizes from 1, of at most 2^60 elements", $"{size} for axis {i}");
            }

            sizes.Add((long)size);
        }

        uint id = cursor.UInt32(what);
        GgufType type = GgufTypes.Parse(id)
            ?? throw RefuseTensor(name, "a type that is supported", GgufTypes.NameOf(id));
        if (sizes[0] % type.Block().Elements != 0)
        {
            throw RefuseTensor(
                name, $"rows of a multiple of {type.Block().Elements} elements, a block of {type}", $"{sizes[0]}");
        }

        ulong offset = cursor.UInt64(what);
        while (sizes.Count > 1 && sizes[^1] == 1)
        {
            sizes.RemoveAt(sizes.Count - 1);
        }

        sizes.Reverse();
        return (name, type, [.. sizes], offset);
    }

    /// <summary>Checks the places of all tensors: aligned, inside the file, each byte in at most one tensor.</summary>
    private void Place(
        List<(string Name, GgufType Type, long[] Shape, ulong Offset)> places, long position, long fileLength)
    {
        long alignment = Keys.Integer(Alignment) ?? DefaultAlignment;
        if (alignment is <= 0 or > 1L << 32 || !BitOperations.IsPow2(alignment))
        {
            throw Refuse(Alignment, "a power of two", $"{alignment}");
        }

        long start = (position + alignment - 1) / alignment * alignment;
        HashSet<string> names = [];
        foreach ((string name, GgufType type, long[] shape, ulong offset) in places)
        {
            if (!names.Add(name))
            {
                throw new InvalidDataException($"{_path}: expected one tensor \"{name}\"; found two of that name.");
            }

            if (offset % (ulong)alignment != 0)
            {
                throw RefuseTensor(name, $"a beginning at a multiple of {alignment} bytes", $"{offset}");
            }

            long place = (long)Math.Min(offset, (ulong)(long.MaxValue / 2)) + start;
            GgufTensor tensor = new(name, type, shape, _part, place);
            if (tensor.ByteLength > fileLength - place)
            {
                throw RefuseTensor(
                    name, $"{tensor.ByteLength} bytes from byte {offset} of the data on",
                    $"{Math.Max(fileLength - start, 0)} bytes of data. Was the file downloaded as a whole?");
            }

            _tensors.Add(tensor);
        }

        GgufTensor? previous = null;
        foreach (GgufTensor tensor in _tensors.OrderBy(tensor => tensor.Offset))
        {
            if (previous is not null && tensor.Offset < previous.Offset + previous.ByteLength)
            {
                throw RefuseTensor(
                    tensor.Name, $"a beginning at or after the end of \"{previous.Name}\"", "an overlap with it");
            }

            previous = tensor;
        }
    }

    private InvalidDataException Refuse(string key, string expected, string found) =>
        new($"{_path}: \"{key}\": expected {expected}; found {found}.");

    private InvalidDataException RefuseTensor(string name, string expected, string found) =>
        new($"{_path}: tensor \"{name}\": expected {expected}; found {found}{(found[^1] == '?' ? "" : ".")}");
}
