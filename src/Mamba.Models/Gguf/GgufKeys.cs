using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Mamba.Checkpoints;
using Mamba.Models.Checkpoints;

namespace Mamba.Models.Gguf;

/// <summary>The keys of a GGUF file; values are read from the mapped file when they are asked for.</summary>
/// <remarks>
/// Integers may be stored in any width. Getters throw <see cref="InvalidDataException"/> if the value is of another
/// type; its message names file, key, expected and found.
/// </remarks>
/// <example>
/// <code>
/// using GgufFile file = GgufFile.Open("model.gguf");
/// string? name = file.Keys.Text("general.name");
/// </code>
/// </example>
public sealed class GgufKeys
{
    private const int LongestShown = 60, MostShown = 4;

    private readonly MappedFile _file;
    private readonly Dictionary<string, GgufValue> _values;

    internal GgufKeys(MappedFile file, Dictionary<string, GgufValue> values) => (_file, _values) = (file, values);

    /// <summary>All keys, in the order of the file.</summary>
    public IReadOnlyCollection<string> Names => _values.Keys;

    /// <summary>The file, for messages.</summary>
    internal string Source => _file.Path;

    /// <summary>Whether there is a value of this key.</summary>
    /// <param name="key">The key.</param>
    /// <returns>Whether the file has it.</returns>
    public bool Has(string key) => _values.ContainsKey(key);

    /// <summary>Whether the value of a key is a list.</summary>
    internal bool IsList(string key) => _values.TryGetValue(key, out GgufValue value) && value.IsList;

    /// <summary>A text.</summary>
    /// <param name="key">The key.</param>
    /// <returns>The text; null if the file lacks the key.</returns>
    public string? Text(string key) => Find(key, "a text", list: false, GgufValueType.Text) is { } value
        ? ReadTexts(value.Offset, 1)[0]
        : null;

    /// <summary>A list of texts.</summary>
    /// <param name="key">The key.</param>
    /// <returns>The texts; null if the file lacks the key.</returns>
    public string[]? Texts(string key) => Find(key, "a list of texts", list: true, GgufValueType.Text) is { } value
        ? ReadTexts(value.Offset, CountOf(key, value))
        : null;

    /// <summary>An integer of any width.</summary>
    /// <param name="key">The key.</param>
    /// <returns>The integer; null if the file lacks the key.</returns>
    public long? Integer(string key) => Find(key, "an integer", list: false, Integers) is { } value
        ? ReadInteger(key, value, 0)
        : null;

    /// <summary>A list of integers of any width.</summary>
    /// <param name="key">The key.</param>
    /// <returns>The integers; null if the file lacks the key.</returns>
    public long[]? IntegerList(string key)
    {
        if (Find(key, "a list of integers", list: true, Integers) is not { } value)
        {
            return null;
        }

        long[] integers = new long[CountOf(key, value)];
        for (int i = 0; i < integers.Length; i++)
        {
            integers[i] = ReadInteger(key, value, i);
        }

        return integers;
    }

    /// <summary>A number, float32 or float64.</summary>
    /// <param name="key">The key.</param>
    /// <returns>The number; null if the file lacks the key.</returns>
    public double? Number(string key) =>
        Find(key, "a number", list: false, GgufValueType.Float32, GgufValueType.Float64) is { } value
            ? ReadNumber(value, 0)
            : null;

    /// <summary>A list of numbers, float32 or float64.</summary>
    /// <param name="key">The key.</param>
    /// <returns>The numbers; null if the file lacks the key.</returns>
    public double[]? NumberList(string key)
    {
        if (Find(key, "a list of numbers", list: true, GgufValueType.Float32, GgufValueType.Float64) is not { } value)
        {
            return null;
        }

        double[] numbers = new double[CountOf(key, value)];
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = ReadNumber(value, i);
        }

        return numbers;
    }

    /// <summary>True or false.</summary>
    /// <param name="key">The key.</param>
    /// <returns>The value; null if the file lacks the key.</returns>
    public bool? Flag(string key) => Find(key, "true or false", list: false, GgufValueType.Bool) is { } value
        ? ReadFlag(value.Offset)
        : null;

    /// <summary>Describes a value for people: texts in quotes, long values cut.</summary>
    /// <param name="key">The key, which the file has.</param>
    /// <returns>One line.</returns>
    public string Describe(string key)
    {
        GgufValue value = _values[key];
        if (!value.IsList)
        {
            return DescribeItem(key, value, 0);
        }

        int shown = (int)Math.Min(value.Count, MostShown);
        string[] items = value.Type == GgufValueType.Text
            ? Array.ConvertAll(ReadTexts(value.Offset, shown), Quoted)
            : [.. Enumerable.Range(0, shown).Select(i => DescribeItem(key, value, i))];
        return $"[{string.Join(", ", items)}{(value.Count > shown ? $", … {value.Count} in all" : "")}]";
    }

    /// <summary>An integer that must be there, and in a range.</summary>
    internal int Integer(string key, (int Least, int Most) range) =>
        Integer(key, range, absent: null) ?? throw Refuse(key, ConfigRanges.Describe(range), "no such key");

    /// <summary>An integer in a range.</summary>
    internal int? Integer(string key, (int Least, int Most) range, int? absent) => Integer(key) switch
    {
        null => absent,
        { } integer when integer >= range.Least && integer <= range.Most => (int)integer,
        { } integer => throw Refuse(
            key, ConfigRanges.Describe(range), integer.ToString(CultureInfo.InvariantCulture)),
    };

    /// <summary>A number that must be there, and in a range.</summary>
    internal double Number(string key, (double Least, double Most) range) => Number(key) switch
    {
        null => throw Refuse(key, ConfigRanges.Describe(range), "no such key"),
        { } number when number >= range.Least && number <= range.Most => number,
        { } number => throw Refuse(
            key, ConfigRanges.Describe(range), number.ToString(CultureInfo.InvariantCulture)),
    };

    internal InvalidDataException Refuse(string key, string expected, string found) =>
        new($"{Source}: \"{key}\": expected {expected}; found {found}.");

    private static GgufValueType[] Integers { get; } =
    [
        GgufValueType.UInt8, GgufValueType.Int8, GgufValueType.UInt16, GgufValueType.Int16, GgufValueType.UInt32,
        GgufValueType.Int32, GgufValueType.UInt64, GgufValueType.Int64,
    ];

    private GgufValue? Find(string key, string expected, bool list, params ReadOnlySpan<GgufValueType> types) =>
        !_values.TryGetValue(key, out GgufValue value) ? null
        : value.IsList == list && types.Contains(value.Type) ? value
        : throw Refuse(key, expected, value.ToString());

    private int CountOf(string key, GgufValue value) => value.Count <= ConfigRanges.MostVocabulary
        ? (int)value.Count
        : throw Refuse(key, $"at most {ConfigRanges.MostVocabulary} items", value.ToString());

    private string[] ReadTexts(long offset, int count)
    {
        string[] texts = new string[count];
        for (int i = 0; i < count; i++)
        {
            using BorrowedBytes prefix = _file.Borrow(offset, sizeof(long));
            long length = BinaryPrimitives.ReadInt64LittleEndian(prefix.Span);
            using BorrowedBytes text = _file.Borrow(offset + sizeof(long), length);
            texts[i] = Encoding.UTF8.GetString(text.Span);
            offset += sizeof(long) + length;
        }

        return texts;
    }

    private long ReadInteger(string key, GgufValue value, long index)
    {
        int size = GgufValue.Size(value.Type);
        using BorrowedBytes borrowed = _file.Borrow(value.Offset + (index * size), size);
        ReadOnlySpan<byte> bytes = borrowed.Span;
        return value.Type switch
        {
            GgufValueType.UInt8 => bytes[0],
            GgufValueType.Int8 => (sbyte)bytes[0],
            GgufValueType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
            GgufValueType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(bytes),
            GgufValueType.UInt32 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
            GgufValueType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(bytes),
            GgufValueType.Int64 => BinaryPrimitives.ReadInt64LittleEndian(bytes),
            _ => BinaryPrimitives.ReadUInt64LittleEndian(bytes) is <= long.MaxValue and ulong integer
                ? (long)integer
                : throw Refuse(key, "an integer below 2^63", "a larger one"),
        };
    }

    private double ReadNumber(GgufValue value, long index)
    {
        int size = GgufValue.Size(value.Type);
        using BorrowedBytes bytes = _file.Borrow(value.Offset + (index * size), size);
        return value.Type == GgufValueType.Float32
            ? BinaryPrimitives.ReadSingleLittleEndian(bytes.Span)
            : BinaryPrimitives.ReadDoubleLittleEndian(bytes.Span);
    }

    private string DescribeItem(string key, GgufValue value, long index) => value.Type switch
    {
        GgufValueType.Text => Quoted(ReadTexts(value.Offset, 1)[0]),
        GgufValueType.Bool => ReadFlag(value.Offset + index) ? "true" : "false",
        GgufValueType.Float32 =>
            ((float)ReadNumber(value, index)).ToString(CultureInfo.InvariantCulture),
        GgufValueType.Float64 => ReadNumber(value, index).ToString(CultureInfo.InvariantCulture),
        _ => ReadInteger(key, value, index).ToString(CultureInfo.InvariantCulture),
    };

    private static string Quoted(string text)
    {
        string line = text.ReplaceLineEndings(" ");
        return line.Length <= LongestShown ? $"\"{line}\"" : $"\"{line[..LongestShown]}…\"";
    }

    private bool ReadFlag(long offset)
    {
        using BorrowedBytes value = _file.Borrow(offset, 1);
        return value.Span[0] != 0;
    }
}
