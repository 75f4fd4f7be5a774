using System.Text.Json;
using Mamba.Text.Tokenizing;

namespace Mamba.Text.Files;

/// <summary>A value of a JSON file, and where it stands; values of another kind than expected are refused.</summary>
internal readonly record struct JsonField(JsonElement Value, string Path)
{
    /// <summary>Whether there is nothing: null, or no such member.</summary>
    public bool IsNull => Value.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined;

    /// <summary>A member; <see cref="IsNull"/> if there is none.</summary>
    public JsonField this[string name]
    {
        get
        {
            Require(JsonValueKind.Object, "an object");
            try
            {
                return new(Value.TryGetProperty(name, out JsonElement member) ? member : default, $"{Path}.{name}");
            }
            catch (InvalidOperationException exception) // a name that is compared has half of a surrogate pair
            {
                throw Unsupported.Data($"a name in {Path} is no valid text.", exception);
            }
        }
    }

    /// <summary>Whether it is text.</summary>
    public bool IsText => Value.ValueKind == JsonValueKind.String;

    /// <summary>Whether it is an object.</summary>
    public bool IsObject => Value.ValueKind == JsonValueKind.Object;

    /// <summary>Whether it is a list.</summary>
    public bool IsList => Value.ValueKind == JsonValueKind.Array;

    /// <summary>The text.</summary>
    public string Text()
    {
        Require(JsonValueKind.String, "text");
        try
        {
            return Value.GetString()!;
        }
        catch (InvalidOperationException exception) // half of a surrogate pair, or bytes that are no UTF-8
        {
            throw Unsupported.Data($"{Path} is no valid text.", exception);
        }
    }

    /// <summary>The text, or a value if there is none.</summary>
    public string? Text(string? fallback) => IsNull ? fallback : Text();

    /// <summary>The one character.</summary>
    public char Character(char fallback)
    {
        string text = Text(fallback.ToString())!;
        return text.Length == 1 ? text[0] : throw Unsupported.Data($"{Path} must be one character, but is \"{text}\".");
    }

    /// <summary>The flag, or a value if there is none.</summary>
    public bool Flag(bool fallback) => Value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => IsNull ? fallback : throw Wrong("true or false"),
    };

    /// <summary>A whole number from 0 to 2^31 - 1.</summary>
    public int Number() =>
        Value.ValueKind == JsonValueKind.Number && Value.TryGetInt32(out int number) && number >= 0
            ? number
            : throw Wrong("a whole number from 0 to 2147483647");

    /// <summary>The elements of a list; none if it is null.</summary>
    public IEnumerable<JsonField> Items()
    {
        if (IsNull)
        {
            yield break;
        }

        Require(JsonValueKind.Array, "a list");
        int i = 0;
        foreach (JsonElement item in Value.EnumerateArray())
        {
            yield return new(item, $"{Path}[{i++}]");
        }
    }

    /// <summary>The members of an object.</summary>
    public IEnumerable<(string Name, JsonField Value)> Members()
    {
        Require(JsonValueKind.Object, "an object");
        foreach (JsonProperty member in Value.EnumerateObject())
        {
            string name;
            try
            {
                name = member.Name;
            }
            catch (InvalidOperationException exception)
            {
                throw Unsupported.Data($"a name in {Path} is no valid text.", exception);
            }

            yield return (name, new(member.Value, Path));
        }
    }

    private void Require(JsonValueKind kind, string words)
    {
        if (Value.ValueKind != kind)
        {
            throw Wrong(words);
        }
    }

    private InvalidDataException Wrong(string expected)
    {
        string found = Value.ValueKind switch
        {
            JsonValueKind.Undefined => "absent",
            JsonValueKind.Object => "an object",
            JsonValueKind.Array => "a list",
            JsonValueKind.String => "text",
            _ => Value.GetRawText(),
        };
        return Unsupported.Data($"{Path} must be {expected}, but is {found}.");
    }
}
