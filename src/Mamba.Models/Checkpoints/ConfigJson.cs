using System.Text.Json;

namespace Mamba.Models.Checkpoints;

/// <summary>A <c>config.json</c>, or an object within it, read by keys; wrong values are refused by key.</summary>
/// <remarks>
/// A key that is absent and one whose value is null mean the same: Python writes None for what is not set. Getters
/// come in two forms: with a value for that case, and without, where it is an error.
/// </remarks>
internal sealed class ConfigJson
{
    private const long MaxLength = 16 << 20;

    private readonly JsonElement _object;
    private readonly string _source;
    private readonly string _prefix;

    private ConfigJson(JsonElement value, string source, string prefix) =>
        (_object, _source, _prefix) = (value, source, prefix);

    /// <summary>Where the text comes from, for messages.</summary>
    public string Source => _source;

    /// <summary>All keys, in the order of the file.</summary>
    public IEnumerable<string> Keys => _object.EnumerateObject().Select(property => property.Name);

    /// <summary>Reads a file.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file does not hold a JSON object.</exception>
    public static ConfigJson Load(string path)
    {
        long length = new FileInfo(path).Length;
        return length <= MaxLength
            ? Parse(File.ReadAllBytes(path), path)
            : throw new InvalidDataException($"{path}: expected at most {MaxLength} bytes; found {length}.");
    }

    /// <summary>Reads text.</summary>
    /// <param name="utf8">The text.</param>
    /// <param name="source">Where it comes from, for messages.</param>
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

    /// <summary>Whether there is a value other than null.</summary>
    public bool Has(string key) => Find(key) is not null;

    public int Integer(string key) => ToInteger(key, Require(key, "an integer"));

    public int Integer(string key, int absent) => Find(key) is { } value ? ToInteger(key, value) : absent;

    public double Number(string key) => ToNumber(key, Require(key, "a number"));

    public double Number(string key, double absent) => Find(key) is { } value ? ToNumber(key, value) : absent;

    public bool Flag(string key) => ToFlag(key, Require(key, "true or false"));

    public bool Flag(string key, bool absent) => Find(key) is { } value ? ToFlag(key, value) : absent;

    public string Text(string key) => ToText(key, Require(key, "text"));

    public string Text(string key, string absent) => Find(key) is { } value ? ToText(key, value) : absent;

    public int[] Integers(string key) => [.. Items(key).Select(item => ToInteger(key, item))];

    public int[] Integers(string key, int[] absent) => Has(key) ? Integers(key) : absent;

    public double[] Numbers(string key) => [.. Items(key).Select(item => ToNumber(key, item))];

    public double[] Numbers(string key, double[] absent) => Has(key) ? Numbers(key) : absent;

    /// <summary>Two numbers, a lower and an upper limit.</summary>
    public (double Low, double High) Range(string key, (double Low, double High) absent)
    {
        if (!Has(key))
        {
            return absent;
        }

        double[] ends = Numbers(key);
        return ends.Length == 2 ? (ends[0], ends[1]) : throw Refuse(key, "two numbers", $"{ends.Length}");
    }

    /// <summary>Throws where there is a key other than those that are known.</summary>
    /// <exception cref="NotSupportedException">There is such a key.</exception>
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

    /// <summary>Whether a value is a number; some keys hold a number or a word such as "auto".</summary>
    public bool IsNumber(string key) => Find(key) is { ValueKind: JsonValueKind.Number };

    /// <summary>An object within this one; an empty one where it is absent.</summary>
    public ConfigJson Object(string key)
    {
        JsonElement? value = Find(key);
        return value is null or { ValueKind: JsonValueKind.Object }
            ? new(value ?? PythonJson.Parse("{}"u8), _source, $"{_prefix}{key}.")
            : throw Refuse(key, "an object", Describe(value.Value));
    }

    private JsonElement? Find(string key) =>
        _object.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private JsonElement Require(string key, string expected) =>
        Find(key) ?? throw Refuse(key, expected, _object.TryGetProperty(key, out _) ? "null" : "nothing of that name");

    private int ToInteger(string key, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number)
            ? number
            : throw Refuse(key, "an integer of 32 bits", Describe(value));

    private double ToNumber(string key, JsonElement value) =>
        PythonJson.TryGetNumber(value, out double number) ? number : throw Refuse(key, "a number", Describe(value));

    private bool ToFlag(string key, JsonElement value) => value.ValueKind is JsonValueKind.True or JsonValueKind.False
        ? value.GetBoolean()
        : throw Refuse(key, "true or false", Describe(value));

    private string ToText(string key, JsonElement value) => value.ValueKind == JsonValueKind.String
        ? value.GetString()!
        : throw Refuse(key, "text", Describe(value));

    private JsonElement.ArrayEnumerator Items(string key) =>
        Require(key, "a list") is { ValueKind: JsonValueKind.Array } list
            ? list.EnumerateArray()
            : throw Refuse(key, "a list", Describe(_object.GetProperty(key)));

    private InvalidDataException Refuse(string key, string expected, string found) =>
        new($"{_source}: \"{_prefix}{key}\": expected {expected}; found {found}.");

    private static string Describe(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 60 ? text : text[..60] + "…";
    }
}
