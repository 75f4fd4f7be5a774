using System.Globalization;
using System.Text.Json;
using Mamba.Checkpoints;

namespace Mamba.Models.Checkpoints;

/// <summary>A <c>config.json</c>, or an object in it, read key by key; errors name the key.</summary>
/// <remarks>
/// An absent key and a null value are the same, because Python writes None for what is not set. Getters with a
/// default return it then; getters without one throw. Every number has a range.
/// </remarks>
internal sealed class ConfigJson
{
    private const int MaxLength = 1 << 20; // published files have a few thousand bytes

    private readonly JsonElement _object;
    private readonly string _source;
    private readonly string _prefix;

    private ConfigJson(JsonElement value, string source, string prefix) =>
        (_object, _source, _prefix) = (value, source, prefix);

    /// <summary>The origin of the text, for messages.</summary>
    public string Source => _source;

    /// <summary>All keys, in the order of the file.</summary>
    public IEnumerable<string> Keys => _object.EnumerateObject().Select(property => property.Name);

    /// <summary>All keys with their values as text, in the order of the file.</summary>
    public IEnumerable<(string Key, string Value)> TextValues =>
        _object.EnumerateObject().Select(property => (property.Name, ToText(property.Name, property.Value)));

    /// <summary>All keys with their values as JSON, in the order of the file.</summary>
    public IEnumerable<(string Key, string Value)> RawValues =>
        _object.EnumerateObject().Select(property => (property.Name, property.Value.GetRawText()));

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maxLength">Maximum length in bytes.</param>
    /// <exception cref="FileNotFoundException">The file does not exist.</exception>
    /// <exception cref="InvalidDataException">The file does not hold a JSON object, or is too long.</exception>
    public static ConfigJson Load(string path, int maxLength = MaxLength)
    {
        using FileStream stream = File.OpenRead(path);
        if (stream.Length > maxLength)
        {
            throw new InvalidDataException($"{path}: expected at most {maxLength} bytes; found {stream.Length}.");
        }

        byte[] utf8 = new byte[stream.Length];
        stream.ReadExactly(utf8);
        GitLfs.RefusePointer(path, utf8);
        return Parse(utf8, path);
    }

    /// <summary>Reads text.</summary>
    /// <param name="utf8">The text.</param>
    /// <param name="source">The origin of the text, for messages.</param>
    /// <exception cref="InvalidDataException">The text is not a JSON object.</exception>
    public static ConfigJson Parse(ReadOnlySpan<byte> utf8, string source)
    {
        try
        {
            JsonElement root = PythonJson.Parse(utf8);
            return root.ValueKind == JsonValueKind.Object
                ? new(root, source, "")
                : throw new InvalidDataException($"{source}: expected a JSON object; found {Describe(root)}.");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{source}: expected a JSON object; found: {e.Message}", e);
        }
    }

    /// <summary>Whether the key has a value other than null.</summary>
    public bool Has(string key) => Find(key) is not null;

    public int Integer(string key, (int Least, int Most) range) =>
        ToInteger(key, Require(key, ConfigRanges.Describe(range)), range);

    public int Integer(string key, (int Least, int Most) range, int absent) =>
        Find(key) is { } value ? ToInteger(key, value, range) : absent;

    /// <summary>An integer, or a word such as "auto" that stands for the default.</summary>
    public int Integer(string key, (int Least, int Most) range, string word, int absent) =>
        Find(key) is { ValueKind: JsonValueKind.String } value && value.ValueEquals(word)
            ? absent
            : Integer(key, range, absent);

    public double Number(string key, (double Least, double Most) range) =>
        ToNumber(key, Require(key, ConfigRanges.Describe(range)), range);

    public double Number(string key, (double Least, double Most) range, double absent) =>
        Find(key) is { } value ? ToNumber(key, value, range) : absent;

    public bool Flag(string key) => ToFlag(key, Require(key, "true or false"));

    public bool Flag(string key, bool absent) => Find(key) is { } value ? ToFlag(key, value) : absent;

    public string Text(string key) => ToText(key, Require(key, "text"));

    public string Text(string key, string absent) => Find(key) is { } value ? ToText(key, value) : absent;

    /// <summary>A list of integers; empty if it is absent.</summary>
    public int[] Integers(string key, (int Least, int Most) range) =>
        [.. List(key).Select(item => ToInteger(key, item, range))];

    /// <summary>A list of numbers; empty if it is absent.</summary>
    public double[] Numbers(string key, (double Least, double Most) range) =>
        [.. List(key).Select(item => ToNumber(key, item, range))];

    /// <summary>A list of texts, which must be present.</summary>
    public string[] Texts(string key)
    {
        Require(key, "a list");
        return [.. List(key).Select(item => ToText(key, item))];
    }

    /// <summary>One integer or a list of them; empty if it is absent.</summary>
    public int[] OneOrMore(string key, (int Least, int Most) range) =>
        Find(key) is { ValueKind: not JsonValueKind.Array } one ? [ToInteger(key, one, range)] : Integers(key, range);

    /// <summary>Two numbers: a finite lower limit and an upper limit.</summary>
    public (double Low, double High) Limits(string key, (double Low, double High) absent)
    {
        if (Find(key) is not { } value)
        {
            return absent;
        }

        if (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 2
            && PythonJson.TryGetNumber(value[0], out double low) && PythonJson.TryGetNumber(value[1], out double high)
            && float.IsFinite((float)low) && low <= high)
        {
            return (low, high);
        }

        throw Refuse(key, "two numbers, a finite lower limit and an upper limit that is not below it", Describe(value));
    }

    /// <summary>Throws if there is a key that is not known.</summary>
    /// <exception cref="NotSupportedException">There is an unknown key.</exception>
    public void RequireOnly(params ReadOnlySpan<string> known)
    {
        foreach (string key in Keys)
        {
            if (!known.Contains(key) && Has(key))
            {
                throw new NotSupportedException($"{_source}: the option \"{_prefix}{key}\" is not supported.");
            }
        }
    }

    /// <summary>Checks the range of a derived size before it is computed in 32 bits.</summary>
    /// <param name="what">The formula of the size, such as "num_heads times head_dim".</param>
    /// <param name="size">The size.</param>
    public int Derived(string what, double size)
    {
        (int least, int most) = ConfigRanges.Size;
        return size >= least && size < most + 1.0
            ? (int)size
            : throw new InvalidDataException(
                $"{_source}: expected {_prefix}{what} from {least} to {most}; found {Shown(size)}.");
    }

    /// <summary>An object within this one; an empty one if absent.</summary>
    public ConfigJson Object(string key) => Object(key, Find(key) ?? PythonJson.Parse("{}"u8));

    /// <summary>An object within this one, which must be present.</summary>
    public ConfigJson RequiredObject(string key) => Object(key, Require(key, "an object"));

    private ConfigJson Object(string key, JsonElement value) => value.ValueKind == JsonValueKind.Object
        ? new(value, _source, $"{_prefix}{key}.")
        : throw Refuse(key, "an object", Describe(value));

    private JsonElement.ArrayEnumerator List(string key) => Find(key) switch
    {
        null => default,
        { ValueKind: JsonValueKind.Array } list => list.EnumerateArray(),
        { } other => throw Refuse(key, "a list", Describe(other)),
    };

    private JsonElement? Find(string key) =>
        _object.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private JsonElement Require(string key, string expected) =>
        Find(key) ?? throw Refuse(key, expected, _object.TryGetProperty(key, out _) ? "null" : "nothing of that name");

    /// <summary>An integer, which Python may have written as a float: 2.0.</summary>
    private int ToInteger(string key, JsonElement value, (int Least, int Most) range) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && double.IsInteger(number)
        && number >= range.Least && number <= range.Most
            ? (int)number
            : throw Refuse(key, ConfigRanges.Describe(range), Describe(value));

    private double ToNumber(string key, JsonElement value, (double Least, double Most) range) =>
        PythonJson.TryGetNumber(value, out double number) && number >= range.Least && number <= range.Most
            ? number
            : throw Refuse(key, ConfigRanges.Describe(range), Describe(value));

    private bool ToFlag(string key, JsonElement value) => value.ValueKind is JsonValueKind.True or JsonValueKind.False
        ? value.GetBoolean()
        : throw Refuse(key, "true or false", Describe(value));

    private string ToText(string key, JsonElement value) => value.ValueKind == JsonValueKind.String
        ? value.GetString()!
        : throw Refuse(key, "text", Describe(value));

    private InvalidDataException Refuse(string key, string expected, string found) =>
        new($"{_source}: \"{_prefix}{key}\": expected {expected}; found {found}.");

    private static string Describe(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 60 ? text : text[..60] + "…";
    }

    private static string Shown(double number) => number.ToString(CultureInfo.InvariantCulture);
}
