using System.Text.Encodings.Web;
using System.Text.Json;

namespace Mamba.Text.Grammars;

/// <summary>Checks of JSON schemas, and the spelling of values and names in them.</summary>
internal static class SchemaChecks
{
    /// <summary>The keywords that are supported, for messages.</summary>
    public const string Supported =
        "type, properties, required, additionalProperties, items, minItems, maxItems, enum, const, anyOf, $ref, and " +
        "format date, time, date-time and uuid";

    private static readonly JsonWriterOptions _compact = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Whether a keyword stands without others.</summary>
    public static bool IsAlone(string word) => word is "$ref" or "anyOf";

    /// <summary>Whether a value is of a type.</summary>
    public static bool IsOf(JsonElement value, string type) => type switch
    {
        "object" => value.ValueKind is JsonValueKind.Object,
        "array" => value.ValueKind is JsonValueKind.Array,
        "string" => value.ValueKind is JsonValueKind.String,
        "number" => value.ValueKind is JsonValueKind.Number,
        "integer" => value.ValueKind is JsonValueKind.Number && value.TryGetInt64(out _),
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "null" => value.ValueKind is JsonValueKind.Null,
        _ => false,
    };

    /// <summary>A number of items; null if the schema does not name it.</summary>
    public static int? Count(JsonElement schema, string name, string at) =>
        !schema.TryGetProperty(name, out JsonElement count) ? null
            : count.ValueKind is JsonValueKind.Number && count.TryGetInt32(out int number) && number >= 0 ? number
            : throw Fault($"{at}/{name}", "a whole number, 0 or more", count.GetRawText());

    /// <summary>Throws if a keyword is none of the allowed ones.</summary>
    public static void RequireWords(string[] words, string at, string[] allowed)
    {
        if (System.Array.Find(words, word => !allowed.Contains(word)) is { } other)
        {
            string beside = IsAlone(allowed[0]) ? $" beside \"{allowed[0]}\"" : "";
            throw new NotSupportedException(
                $"JSON schema, {at}: \"{other}\"{beside} is not supported. Supported: {Supported}.");
        }
    }

    /// <summary>Throws unless a part of a schema is of a kind.</summary>
    public static void RequireKind(JsonElement element, JsonValueKind kind, string at)
    {
        if (element.ValueKind != kind)
        {
            throw Fault(at, $"{kind}", $"{element.ValueKind}");
        }
    }

    /// <summary>A value without white space, and with characters as they are.</summary>
    public static string Compact(JsonElement value)
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter writer = new(bytes, _compact))
        {
            value.WriteTo(writer);
        }

        return System.Text.Encoding.UTF8.GetString(bytes.ToArray());
    }

    /// <summary>The bytes of a name in quotation marks.</summary>
    public static byte[] Utf8(string name) =>
    [
        (byte)'"',
        .. JsonEncodedText.Encode(name, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).EncodedUtf8Bytes,
        (byte)'"',
    ];

    /// <summary>A name as a part of a JSON pointer.</summary>
    public static string Escaped(string name) =>
        name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);

    /// <summary>What is thrown where a schema is damaged.</summary>
    public static InvalidDataException Fault(string at, string expected, string found) =>
        new($"JSON schema, {at}: expected {expected}; found {found}.");
}
