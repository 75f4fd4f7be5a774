using System.Text;
using System.Text.Json;
using Mamba.Server.Http;

namespace Mamba.Server.Wire;

/// <summary>The text of a message, which is a text or a list of parts.</summary>
internal static class ContentText
{
    /// <summary>The text.</summary>
    /// <param name="content">The content; null: none.</param>
    /// <param name="path">Where it is, for messages.</param>
    /// <exception cref="ApiException">There are parts other than text.</exception>
    public static string Read(JsonElement? content, string path)
    {
        if (content is not { ValueKind: not JsonValueKind.Null } some)
        {
            return "";
        }

        if (some.ValueKind == JsonValueKind.String)
        {
            return some.GetString()!;
        }

        if (some.ValueKind != JsonValueKind.Array)
        {
            throw ApiException.Field(path, $"expected a text or a list of parts; found {some.ValueKind}.");
        }

        StringBuilder text = new();
        int index = 0;
        foreach (JsonElement part in some.EnumerateArray())
        {
            string at = $"{path}[{index++}]";
            string type = StringOf(part, "type") ?? throw ApiException.Field(at, "expected a part with a type.");
            text.Append(type switch
            {
                "text" or "input_text" or "output_text" => StringOf(part, "text"),
                "refusal" => StringOf(part, "refusal"),
                _ => throw ApiException.Field(at, $"expected a part of type text; found {type}."),
            });
        }

        return text.ToString();
    }

    /// <summary>A member that is a text; null: there is none.</summary>
    public static string? StringOf(JsonElement item, string name) =>
        item.ValueKind == JsonValueKind.Object
            && item.TryGetProperty(name, out JsonElement value)
            && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;
}
