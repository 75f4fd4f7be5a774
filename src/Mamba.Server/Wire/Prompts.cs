using System.Text.Json;
using Mamba.Server.Http;
using Mamba.Text;

namespace Mamba.Server.Wire;

/// <summary>Reads a field that is a text, tokens, or a list of either.</summary>
internal static class Prompts
{
    /// <summary>The tokens of every text.</summary>
    /// <exception cref="ApiException">The field is none of these, is empty, or has too many texts.</exception>
    public static int[][] Read(JsonElement? field, string name, TextTokenizer tokenizer, int most)
    {
        if (field is not { ValueKind: JsonValueKind.String or JsonValueKind.Array } some)
        {
            throw ApiException.Field(name, "expected a text, tokens, or a list of either; found none.");
        }

        bool isOne = some.ValueKind == JsonValueKind.String
            || (some.GetArrayLength() > 0 && some[0].ValueKind == JsonValueKind.Number);
        JsonElement[] items = isOne ? [some] : [.. some.EnumerateArray()];
        return items.Length == 0 ? throw ApiException.Field(name, "expected at least one text; found none.")
            : items.Length > most
                ? throw ApiException.Field(name, $"expected at most {most} texts; found {items.Length}.")
            : Array.ConvertAll(items, item => TokensOf(item, name, tokenizer));
    }

    private static int[] TokensOf(JsonElement item, string name, TextTokenizer tokenizer)
    {
        int[] tokens = item.ValueKind switch
        {
            JsonValueKind.String => tokenizer.Encode(item.GetString()!),
            JsonValueKind.Array => [.. item.EnumerateArray().Select(token =>
                token.ValueKind == JsonValueKind.Number && token.TryGetInt32(out int id) && id >= 0
                    ? id
                    : throw ApiException.Field(name, $"expected tokens, whole numbers of 0 or more; found {token}."))],
            _ => throw ApiException.Field(name, $"expected texts or lists of tokens; found {item.ValueKind}."),
        };
        return tokens.Length > 0 ? tokens : throw ApiException.Field(name, "expected a text of at least one token.");
    }
}
