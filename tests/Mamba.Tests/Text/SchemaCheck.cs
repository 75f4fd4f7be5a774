using System.Globalization;
using System.Text.Json;

namespace Mamba.Tests.Text;

/// <summary>Checks JSON against a schema by the definitions of the keywords, independently of the library.</summary>
internal static class SchemaCheck
{
    /// <summary>What is wrong; null: nothing.</summary>
    public static string? Fault(JsonElement value, JsonElement schema, JsonElement root)
    {
        if (schema.ValueKind == JsonValueKind.True)
        {
            return null;
        }

        if (schema.ValueKind == JsonValueKind.False)
        {
            return "nothing is allowed";
        }

        foreach (JsonProperty keyword in schema.EnumerateObject())
        {
            string? fault = keyword.Name switch
            {
                "type" => Types(keyword.Value).Any(type => IsOf(value, type)) ? null : $"{value} is no {keyword.Value}",
                "enum" => keyword.Value.EnumerateArray().Any(one => JsonElement.DeepEquals(one, value))
                    ? null : $"{value} is not listed",
                "const" => JsonElement.DeepEquals(keyword.Value, value) ? null : $"{value} is not {keyword.Value}",
                "anyOf" => keyword.Value.EnumerateArray().Any(one => Fault(value, one, root) is null)
                    ? null : $"{value} is none of {keyword.Value}",
                "$ref" => Fault(value, Find(root, keyword.Value.GetString()!), root),
                "properties" when value.ValueKind == JsonValueKind.Object => keyword.Value.EnumerateObject()
                    .Select(one => value.TryGetProperty(one.Name, out JsonElement member)
                        ? Fault(member, one.Value, root)
                        : null)
                    .FirstOrDefault(one => one is not null),
                "required" when value.ValueKind == JsonValueKind.Object => keyword.Value.EnumerateArray()
                    .All(name => value.TryGetProperty(name.GetString()!, out _)) ? null : $"{value} lacks a member",
                "additionalProperties" when value.ValueKind == JsonValueKind.Object => value.EnumerateObject()
                    .Where(member => !(schema.TryGetProperty("properties", out JsonElement declared)
                        && declared.TryGetProperty(member.Name, out _)))
                    .Select(member => Fault(member.Value, keyword.Value, root)).FirstOrDefault(one => one is not null),
                "items" when value.ValueKind == JsonValueKind.Array => value.EnumerateArray()
                    .Select(item => Fault(item, keyword.Value, root)).FirstOrDefault(one => one is not null),
                "minItems" when value.ValueKind == JsonValueKind.Array =>
                    value.GetArrayLength() >= keyword.Value.GetInt32() ? null : "too few items",
                "maxItems" when value.ValueKind == JsonValueKind.Array =>
                    value.GetArrayLength() <= keyword.Value.GetInt32() ? null : "too many items",
                "format" => IsFormat(value.GetString()!, keyword.Value.GetString()!) ? null : $"{value} is no date",
                _ => null,
            };
            if (fault is not null)
            {
                return fault;
            }
        }

        return null;
    }

    private static bool IsFormat(string text, string format) => format switch
    {
        "uuid" => Guid.TryParseExact(text, "D", out _),
        "date" => DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _),
        "time" => text.EndsWith('Z') && TimeOnly.TryParse(text[..^1], CultureInfo.InvariantCulture, out _),
        _ => DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind, out _),
    };

    private static IEnumerable<string> Types(JsonElement type) => type.ValueKind == JsonValueKind.Array
        ? type.EnumerateArray().Select(one => one.GetString()!)
        : [type.GetString()!];

    private static bool IsOf(JsonElement value, string type) => type switch
    {
        "integer" => value.ValueKind == JsonValueKind.Number && decimal.IsInteger(value.GetDecimal()),
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        _ => value.ValueKind.ToString().Equals(type, StringComparison.OrdinalIgnoreCase),
    };

    private static JsonElement Find(JsonElement root, string pointer)
    {
        foreach (string name in pointer.Split('/').Skip(1))
        {
            root = root.GetProperty(name);
        }

        return root;
    }
}
