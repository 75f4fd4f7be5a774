using System.Globalization;
using System.Text.Json;
using System.Text.Unicode;

namespace Mamba.Models.Checkpoints;

/// <summary>
/// JSON of Python's <c>json</c> module: numbers may be the bare words Infinity, -Infinity and NaN, which JSON does not
/// allow.
/// </summary>
internal static class PythonJson
{
    private const string FloatKey = "__float__";

    /// <summary>Parses text; the bare words become strings.</summary>
    /// <exception cref="JsonException">The text is otherwise not JSON, or not Unicode.</exception>
    public static JsonElement Parse(ReadOnlySpan<byte> utf8)
    {
        ReadOnlySpan<byte> byteOrderMark = [0xEF, 0xBB, 0xBF];
        utf8 = utf8.StartsWith(byteOrderMark) ? utf8[3..] : utf8;
        byte[] text = utf8.IndexOf("Infinity"u8) < 0 && utf8.IndexOf("NaN"u8) < 0 ? [.. utf8] : QuoteBareWords(utf8);
        RequireUnicode(text);
        using JsonDocument document =
            JsonDocument.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false });
        return document.RootElement.Clone();
    }

    /// <summary>
    /// Reads a number: a JSON number, or one of the three words. A word is a string, or since version 5 of the
    /// transformers library <c>{"__float__": "Infinity"}</c>.
    /// </summary>
    public static bool TryGetNumber(JsonElement element, out double number)
    {
        number = 0;
        switch (element.ValueKind)
        {
            case JsonValueKind.Number:
                return element.TryGetDouble(out number);
            case JsonValueKind.String:
                (number, bool known) = element.GetString() switch
                {
                    "Infinity" => (double.PositiveInfinity, true),
                    "-Infinity" => (double.NegativeInfinity, true),
                    "NaN" => (double.NaN, true),
                    _ => (0, false),
                };
                return known;
            case JsonValueKind.Object:
                return element.GetPropertyCount() == 1
                    && element.TryGetProperty(FloatKey, out JsonElement word)
                    && word.ValueKind == JsonValueKind.String
                    && TryGetNumber(word, out number);
            default:
                return false;
        }
    }

    /// <summary>Writes a number as Python does: with a decimal point, or as a bare word if it is not finite.</summary>
    public static string Format(double number)
    {
        string text = number switch
        {
            double.PositiveInfinity => "Infinity",
            double.NegativeInfinity => "-Infinity",
            double.NaN => "NaN",
            _ => number.ToString("R", CultureInfo.InvariantCulture).Replace('E', 'e'),
        };
        bool isInteger = double.IsFinite(number) && !text.AsSpan().ContainsAny('.', 'e');
        return isInteger ? text + ".0" : text;
    }

    /// <summary>Rejects bytes that are not UTF-8, and escapes of lone surrogates such as \ud800.</summary>
    private static void RequireUnicode(ReadOnlySpan<byte> text)
    {
        if (!Utf8.IsValid(text))
        {
            throw new JsonException("the text is not UTF-8.");
        }

        Utf8JsonReader reader = new(text);
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.PropertyName or JsonTokenType.String && reader.ValueIsEscaped)
            {
                try
                {
                    reader.GetString();
                }
                catch (InvalidOperationException e)
                {
                    throw new JsonException(
                        $"a text with half a surrogate pair, {reader.TokenStartIndex} bytes in.", e);
                }
            }
        }
    }

    private static byte[] QuoteBareWords(ReadOnlySpan<byte> utf8)
    {
        List<byte> quoted = new(utf8.Length + 64);
        bool inString = false;
        for (int i = 0; i < utf8.Length; i++)
        {
            byte c = utf8[i];
            int word = inString ? 0 : BareWord(utf8[i..]);
            if (word > 0)
            {
                quoted.Add((byte)'"');
                quoted.AddRange(utf8.Slice(i, word));
                quoted.Add((byte)'"');
                i += word - 1;
                continue;
            }

            quoted.Add(c);
            if (c == (byte)'"')
            {
                inString = !inString;
            }
            else if (inString && c == (byte)'\\' && i + 1 < utf8.Length)
            {
                quoted.Add(utf8[++i]); // an escaped quote does not end the string
            }
        }

        return [.. quoted];
    }

    /// <summary>Length of the word at the start; 0 if it is none of the three.</summary>
    private static int BareWord(ReadOnlySpan<byte> utf8) => utf8 switch
    {
        _ when utf8.StartsWith("Infinity"u8) => 8,
        _ when utf8.StartsWith("-Infinity"u8) => 9,
        _ when utf8.StartsWith("NaN"u8) => 3,
        _ => 0,
    };
}
