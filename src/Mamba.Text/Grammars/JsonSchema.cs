using System.Globalization;
using System.Text.Json;
using static Mamba.Text.Grammars.SchemaChecks;

namespace Mamba.Text.Grammars;

/// <summary>Rules of the values that a JSON schema allows (draft 2020-12, a part of it).</summary>
/// <remarks>
/// Members of an object come in the order in which the schema declares them, and only declared ones come, whatever
/// <c>additionalProperties</c> says; every text is valid, but not every valid text can be written.
/// </remarks>
internal sealed class JsonSchema
{
    private static readonly HashSet<string> _annotations =
    [
        "$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples",
        "deprecated", "readOnly", "writeOnly",
    ];

    private readonly JsonElement _root;
    private readonly JsonGrammar _json;

    private JsonSchema(JsonElement root, JsonGrammar json)
    {
        _root = root;
        _json = json;
    }

    /// <summary>Adds the rule of a schema's values.</summary>
    /// <param name="schema">The schema.</param>
    /// <param name="json">The grammar to add to.</param>
    /// <param name="name">A name that tells rules of several schemas from each other.</param>
    /// <returns>The rule.</returns>
    /// <exception cref="NotSupportedException">The schema uses what is not supported, by name.</exception>
    /// <exception cref="InvalidDataException">The schema is not one, or nothing can be valid.</exception>
    public static int Rule(JsonElement schema, JsonGrammar json, string name = "")
    {
        int rule = new JsonSchema(schema, json).Rule(schema, $"{name}#");
        return json.Grammar.HasEndlessRule()
            ? throw Fault($"{name}#", "a schema without a $ref that leads to itself", "one")
            : rule;
    }

    private Grammar Grammar => _json.Grammar;

    private int Rule(JsonElement schema, string at) => _json.Rule($"schema {at}", start =>
    {
        int end = Grammar.Add();
        Grammar.End(end);
        foreach (int rule in Alternatives(schema, at))
        {
            Grammar.Jump(Grammar.Call(start, rule), end);
        }
    });

    /// <summary>The rules of which a value must follow one.</summary>
    private List<int> Alternatives(JsonElement schema, string at)
    {
        if (schema.ValueKind is JsonValueKind.True)
        {
            return [_json.Value];
        }

        if (schema.ValueKind is not JsonValueKind.Object)
        {
            throw Fault(at, "a schema that something can satisfy", schema.ValueKind.ToString());
        }

        string[] words = [.. schema.EnumerateObject().Select(member => member.Name).Where(
            name => !_annotations.Contains(name))];
        if (System.Array.Find(words, IsAlone) is { } alone)
        {
            RequireWords(words, at, [alone]);
            JsonElement word = schema.GetProperty(alone);
            return alone == "$ref" ? [Reference(word, at)] : Choices(word, at);
        }

        List<string> types = Types(schema, at);
        if (words.Contains("enum") || words.Contains("const"))
        {
            RequireWords(words, at, ["enum", "const", "type"]);
            return Constants(schema, types, at);
        }

        RequireWords(
            words, at,
            [
                "type", "properties", "required", "additionalProperties", "items", "minItems", "maxItems", "format",
            ]);
        return types.Count == 0 ? [_json.Value] : types.ConvertAll(type => OfType(type, schema, at));
    }

    private List<int> Choices(JsonElement choices, string at)
    {
        at += "/anyOf";
        RequireKind(choices, JsonValueKind.Array, at);
        List<int> rules = [.. choices.EnumerateArray().Select((choice, i) => Rule(choice, $"{at}/{i}"))];
        return rules.Count > 0 ? rules : throw Fault(at, "at least one schema", "none");
    }

    /// <summary>The rule of what a local reference points to: <c>#</c> and a JSON pointer (RFC 6901).</summary>
    private int Reference(JsonElement reference, string at)
    {
        RequireKind(reference, JsonValueKind.String, $"{at}/$ref");
        string text = reference.GetString()!;
        if (!text.StartsWith('#') || (text.Length > 1 && text[1] != '/'))
        {
            throw new NotSupportedException(
                $"JSON schema, {at}: expected a $ref within the schema, such as #/$defs/name; found \"{text}\".");
        }

        JsonElement target = _root;
        foreach (string part in text.Split('/').Skip(1))
        {
            string name = Uri.UnescapeDataString(part).Replace("~1", "/", StringComparison.Ordinal)
                .Replace("~0", "~", StringComparison.Ordinal);
            bool isFound = target.ValueKind switch
            {
                JsonValueKind.Object => target.TryGetProperty(name, out target),
                JsonValueKind.Array when int.TryParse(
                    name, NumberStyles.None, CultureInfo.InvariantCulture, out int index)
                    && index < target.GetArrayLength() => (target = target[index]).ValueKind >= 0,
                _ => false,
            };
            if (!isFound)
            {
                throw Fault(at, "a $ref to a part of the schema", $"\"{text}\"");
            }
        }

        string prefix = at[..at.IndexOf('#', StringComparison.Ordinal)];
        return Rule(target, prefix + text);
    }

    private static List<string> Types(JsonElement schema, string at)
    {
        if (!schema.TryGetProperty("type", out JsonElement type))
        {
            // Keywords without a type do not ask for it, but a value of it is valid.
            return schema.TryGetProperty("properties", out _) || schema.TryGetProperty("additionalProperties", out _)
                ? ["object"]
                : schema.TryGetProperty("items", out _) ? ["array"]
                : schema.TryGetProperty("format", out _) ? ["string"]
                : [];
        }

        List<JsonElement> types = type.ValueKind is JsonValueKind.Array ? [.. type.EnumerateArray()] : [type];
        foreach (JsonElement one in types)
        {
            RequireKind(one, JsonValueKind.String, $"{at}/type");
        }

        return types.Count > 0
            ? types.ConvertAll(one => one.GetString()!)
            : throw Fault($"{at}/type", "at least one type", "none");
    }

    private List<int> Constants(JsonElement schema, List<string> types, string at)
    {
        IEnumerable<JsonElement> values = [];
        if (schema.TryGetProperty("enum", out JsonElement all))
        {
            RequireKind(all, JsonValueKind.Array, $"{at}/enum");
            values = all.EnumerateArray();
        }

        if (schema.TryGetProperty("const", out JsonElement only))
        {
            values = all.ValueKind is JsonValueKind.Array
                ? values.Where(value => JsonElement.DeepEquals(value, only))
                : [only];
        }

        List<int> rules =
        [
            .. values.Where(value => types.Count == 0 || types.Exists(type => IsOf(value, type)))
                .Select(value => _json.Literal(Compact(value))),
        ];
        return rules.Count > 0 ? rules : throw Fault(at, "a value that the schema allows", "none");
    }

    private int OfType(string type, JsonElement schema, string at) => type switch
    {
        "object" => Object(schema, at),
        "array" => Array(schema, at),
        "string" => schema.TryGetProperty("format", out JsonElement format) ? Format(format, at) : _json.Text,
        "number" => _json.Number,
        "integer" => _json.Integer,
        "boolean" => _json.Rule("boolean", start =>
        {
            int end = Grammar.Call(start, _json.True);
            Grammar.End(end);
            Grammar.Jump(Grammar.Call(start, _json.False), end);
        }),
        "null" => _json.Null,
        _ => throw Fault($"{at}/type", "a type of JSON", $"\"{type}\""),
    };

    private int Object(JsonElement schema, string at)
    {
        List<JsonProperty> members = [];
        if (schema.TryGetProperty("properties", out JsonElement properties))
        {
            RequireKind(properties, JsonValueKind.Object, $"{at}/properties");
            members = [.. properties.EnumerateObject()];
        }

        HashSet<string> required = [];
        if (schema.TryGetProperty("required", out JsonElement names))
        {
            RequireKind(names, JsonValueKind.Array, $"{at}/required");
            foreach (JsonElement name in names.EnumerateArray())
            {
                RequireKind(name, JsonValueKind.String, $"{at}/required");
                required.Add(name.GetString()!);
            }
        }

        if (required.FirstOrDefault(name => !members.Exists(member => member.Name == name)) is { } missing)
        {
            throw new NotSupportedException(
                $"JSON schema, {at}/required: expected names that properties declares; found \"{missing}\".");
        }

        bool hasOthers = schema.TryGetProperty("additionalProperties", out JsonElement others);
        if (members.Count == 0 && !(hasOthers && others.ValueKind is JsonValueKind.False))
        {
            return _json.Object(hasOthers ? Rule(others, $"{at}/additionalProperties") : _json.Value);
        }

        return _json.Rule($"members {at}", start => Members(start, members, required, $"{at}/properties"));
    }

    /// <summary>Members in their order: the states before each, if none was written yet and if one was.</summary>
    private void Members(int start, List<JsonProperty> members, HashSet<string> required, string at)
    {
        int none = Grammar.Byte(start, '{', '{'), some = Grammar.Add();
        foreach (JsonProperty member in members)
        {
            int name = _json.Space(none);
            Grammar.Jump(_json.Space(Grammar.Byte(_json.Space(some), ',', ',')), name);
            int colon = Grammar.Byte(_json.Space(Grammar.Literal(name, Utf8(member.Name))), ':', ':');
            int after = _json.CallValue(_json.Space(colon), Rule(member.Value, $"{at}/{Escaped(member.Name)}"));
            int nextNone = Grammar.Add();
            if (!required.Contains(member.Name))
            {
                Grammar.Jump(none, nextNone);
                Grammar.Jump(some, after);
            }

            (none, some) = (nextNone, after);
        }

        int end = Grammar.Byte(_json.Space(none), '}', '}');
        Grammar.Byte(_json.Space(some), '}', '}', end);
        Grammar.End(end);
    }

    private int Array(JsonElement schema, string at)
    {
        int least = Count(schema, "minItems", at) ?? 0;
        int? most = Count(schema, "maxItems", at);
        if (least > most)
        {
            throw Fault(at, "minItems that are at most maxItems", $"{least} and {most}");
        }

        int item = schema.TryGetProperty("items", out JsonElement items) ? Rule(items, $"{at}/items") : _json.Value;
        return _json.Array(item, least, most);
    }

    private int Format(JsonElement format, string at)
    {
        RequireKind(format, JsonValueKind.String, $"{at}/format");
        string name = format.GetString()!;
        return JsonFormats.Find(name, _json) ?? throw new NotSupportedException(
            $"JSON schema, {at}: the format \"{name}\" is not supported. Supported: {Supported}.");
    }
}
