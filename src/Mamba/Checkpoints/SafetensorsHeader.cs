using System.Buffers.Binary;
using System.Text.Json;

namespace Mamba.Checkpoints;

/// <summary>The header of a safetensors file: read, and held against the file.</summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The format's own limit.</summary>
    public const long MaxLength = 100_000_000;

    /// <summary>Bytes that say how long the header is.</summary>
    public const int Prefix = sizeof(ulong);

    public const string MetadataName = "__metadata__";

    private const int MaxDepth = 4; // header, tensor, its shape; one more, so that the tensor is named that goes deeper

    private readonly Dictionary<string, TensorInfo> _tensors = [];
    private readonly Dictionary<string, string> _metadata = [];
    private readonly string _path;
    private readonly long _dataStart;
    private readonly long _dataLength;

    private SafetensorsHeader(string path, long dataStart, long dataLength) =>
        (_path, _dataStart, _dataLength) = (path, dataStart, dataLength);

    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>Reads and checks the header.</summary>
    /// <exception cref="InvalidDataException">The header does not keep to the format.</exception>
    public static SafetensorsHeader Read(MappedFile file)
    {
        if (file.Length < Prefix)
        {
            throw new InvalidDataException(
                $"{file.Path}: expected a safetensors file, {Prefix} bytes and more; found {file.Length}.");
        }

        using BorrowedBytes prefix = file.Borrow(0, Prefix);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix.Span);
        if (length > MaxLength)
        {
            throw new InvalidDataException(
                $"{file.Path}: expected a safetensors header of at most {MaxLength} bytes; found {length}.");
        }

        if (Prefix + (long)length > file.Length)
        {
            throw CutOff(file.Path, file.Length, $"at least {Prefix + (long)length}");
        }

        using BorrowedBytes json = file.Borrow(Prefix, (long)length);
        long dataStart = Prefix + (long)length;
        SafetensorsHeader header = new(file.Path, dataStart, file.Length - dataStart);
        try
        {
            header.Parse(json.Span);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Malformed JSON, or text that is not UTF-8.
            throw new InvalidDataException($"{file.Path}: expected a JSON header; found: {e.Message}", e);
        }

        header.CheckLayout();
        return header;
    }

    private void Parse(ReadOnlySpan<byte> json)
    {
        if (json.Length == 0 || json[0] != (byte)'{')
        {
            throw new InvalidDataException($"{_path}: expected a header that begins with '{{'; found another.");
        }

        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        bool sawMetadata = false;
        reader.Read();
        while (NextProperty(ref reader, _path, out string name))
        {
            if (name == MetadataName && !sawMetadata)
            {
                sawMetadata = true;
                ParseMetadata(ref reader);
            }
            else if (name == MetadataName || !_tensors.TryAdd(name, ParseTensor(ref reader, name)))
            {
                throw new InvalidDataException($"{_path}: expected one tensor \"{name}\"; found two of that name.");
            }
        }

        reader.Read(); // padding may follow the closing brace; anything else throws
    }

    private void ParseMetadata(ref Utf8JsonReader reader)
    {
        Expect(ref reader, JsonTokenType.StartObject, MetadataName);
        while (NextProperty(ref reader, MetadataName, out string key))
        {
            Expect(ref reader, JsonTokenType.String, MetadataName);
            if (!_metadata.TryAdd(key, reader.GetString()!))
            {
                throw new InvalidDataException($"{_path}: expected one entry \"{key}\" of {MetadataName}; found two.");
            }
        }
    }

    private TensorInfo ParseTensor(ref Utf8JsonReader reader, string name)
    {
        ElementType? type = null;
        long[]? shape = null, offsets = null;
        Expect(ref reader, JsonTokenType.StartObject, name);
        while (NextProperty(ref reader, name, out string key))
        {
            switch (key)
            {
                case "dtype" when type is null:
                    Expect(ref reader, JsonTokenType.String, name);
                    type = ElementTypes.Parse(reader.GetString())
                        ?? throw Refuse(name, "a known dtype, such as F32 or BF16", $"\"{reader.GetString()}\"");
                    break;
                case "shape" when shape is null:
                    shape = ParseNumbers(ref reader, name);
                    break;
                case "data_offsets" when offsets is null:
                    offsets = ParseNumbers(ref reader, name);
                    break;
                default:
                    throw Refuse(name, "dtype, shape and data_offsets, each once", $"\"{key}\"");
            }
        }

        if (type is null || shape is null || offsets is not [long begin, long end])
        {
            throw Refuse(
                name, "a dtype, a shape and two data_offsets",
                $"dtype {type?.ToString() ?? "absent"}, shape {Describe(shape)}, data_offsets {Describe(offsets)}");
        }

        if (begin > end)
        {
            throw Refuse(name, "data_offsets that rise", Describe(offsets));
        }

        try
        {
            long dataEnd = checked(_dataStart + end);
            TensorInfo info = new(name, type.Value, shape, dataEnd - (end - begin));
            return info.ByteLength == end - begin
                ? info
                : throw Refuse(
                    name, $"{info.ByteLength} bytes for {info}", $"{end - begin}, data_offsets {Describe(offsets)}");
        }
        catch (OverflowException e)
        {
            throw Refuse(name, "a number of bytes below 2^63", $"{type} {Describe(shape)}", e);
        }
    }

    private long[] ParseNumbers(ref Utf8JsonReader reader, string name)
    {
        List<long> numbers = [];
        Expect(ref reader, JsonTokenType.StartArray, name);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (numbers.Count == TensorInfo.MaxRank)
            {
                throw Refuse(name, $"at most {TensorInfo.MaxRank} numbers", "more");
            }

            numbers.Add(reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out long number) && number >= 0
                ? number
                : throw Refuse(name, "integers, not negative and below 2^63", TokenText(ref reader)));
        }

        return [.. numbers];
    }

    /// <summary>Checks that each tensor begins where the one before it ends: every byte belongs to one.</summary>
    private void CheckLayout()
    {
        long end = _dataStart;
        TensorInfo? previous = null;
        foreach (TensorInfo info in _tensors.Values.OrderBy(info => info.Offset).ThenBy(info => info.ByteLength))
        {
            if (info.Offset < end)
            {
                throw Refuse(
                    info.Name, $"a beginning at or after byte {end - _dataStart}, where \"{previous!.Name}\" ends",
                    $"an overlap from byte {info.Offset - _dataStart}");
            }

            if (info.Offset > end)
            {
                throw Refuse(
                    info.Name, $"a beginning at byte {end - _dataStart}", $"a hole up to {info.Offset - _dataStart}");
            }

            end = info.Offset + info.ByteLength;
            previous = info;
        }

        if (end > _dataStart + _dataLength)
        {
            throw CutOff(_path, _dataStart + _dataLength, $"{end}");
        }

        if (end < _dataStart + _dataLength)
        {
            throw new InvalidDataException(
                $"{_path}: expected {end - _dataStart} bytes of data, as the tensors say; found {_dataLength}.");
        }
    }

    /// <summary>Moves to the next property of an object and gives its name; false at the object's end.</summary>
    private bool NextProperty(ref Utf8JsonReader reader, string owner, out string name)
    {
        reader.Read();
        bool isProperty = reader.TokenType == JsonTokenType.PropertyName;
        name = isProperty ? reader.GetString()! : "";
        return isProperty || reader.TokenType == JsonTokenType.EndObject
            ? isProperty
            : throw Refuse(owner, "a property", TokenText(ref reader));
    }

    private void Expect(ref Utf8JsonReader reader, JsonTokenType type, string name)
    {
        reader.Read();
        if (reader.TokenType != type)
        {
            throw Refuse(name, type.ToString(), TokenText(ref reader));
        }
    }

    private static InvalidDataException CutOff(string path, long found, string expected) => new(
        $"{path}: the file is cut off: found {found} of {expected} bytes. Was it downloaded as a whole?");

    private InvalidDataException Refuse(string name, string expected, string found, Exception? inner = null) =>
        new($"{_path}: tensor \"{name}\": expected {expected}; found {found}.", inner);

    private static string Describe(long[]? numbers) => numbers is null ? "absent" : $"[{string.Join(", ", numbers)}]";

    private static string TokenText(ref Utf8JsonReader reader) =>
        reader.TokenType is JsonTokenType.Number or JsonTokenType.True or JsonTokenType.False
            ? System.Text.Encoding.UTF8.GetString(reader.ValueSpan[..Math.Min(reader.ValueSpan.Length, 40)])
            : reader.TokenType.ToString();
}
