using System.Text.Json;
using Mamba.Text.Tokenizing;

namespace Mamba.Text.Files;

/// <summary>What <c>tokenizer_config.json</c> and the files beside it say of a tokenizer.</summary>
internal sealed record TokenizerConfig
{
    /// <summary>The text of BOS.</summary>
    public string? BeginToken { get; init; }

    /// <summary>The text of EOS.</summary>
    public string? EndToken { get; init; }

    /// <summary>The text of the token that fills rows.</summary>
    public string? PaddingToken { get; init; }

    /// <summary>The text of the unknown token.</summary>
    public string? UnknownToken { get; init; }

    /// <summary>Whether BOS is added; null: as the tokenizer's own file has it.</summary>
    public bool? AddBeginToken { get; init; }

    /// <summary>Whether EOS is added; null: as the tokenizer's own file has it.</summary>
    public bool? AddEndToken { get; init; }

    /// <summary>The template of conversations.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>Reads the files; any of them may be absent.</summary>
    /// <param name="config"><c>tokenizer_config.json</c>.</param>
    /// <param name="specialTokens"><c>special_tokens_map.json</c>, for what the first one leaves open.</param>
    /// <param name="template"><c>chat_template.jinja</c>, which goes before a template in the first one.</param>
    public static TokenizerConfig Read(byte[]? config, byte[]? specialTokens, string? template)
    {
        using JsonDocument first = Parse(config, "tokenizer_config.json");
        using JsonDocument second = Parse(specialTokens, "special_tokens_map.json");
        JsonField root = new(first.RootElement, "tokenizer_config.json");
        JsonField map = new(second.RootElement, "special_tokens_map.json");
        string? Token(string name) => Content(root[name]) ?? Content(map[name]);
        bool? Flag(string name) => root[name].IsNull ? null : root[name].Flag(false);
        return new()
        {
            BeginToken = Token("bos_token"),
            EndToken = Token("eos_token"),
            PaddingToken = Token("pad_token"),
            UnknownToken = Token("unk_token"),
            AddBeginToken = Flag("add_bos_token"),
            AddEndToken = Flag("add_eos_token"),
            ChatTemplate = template ?? Template(root["chat_template"]),
        };
    }

    private static JsonDocument Parse(byte[]? json, string name)
    {
        try
        {
            return JsonDocument.Parse(json ?? "{}"u8.ToArray());
        }
        catch (JsonException exception)
        {
            throw Unsupported.Data($"{name} is no JSON: {exception.Message}", exception);
        }
    }

    // A token is its text, or an object with its text and flags, which tokenizer.json has too.
    private static string? Content(JsonField node) => node.IsObject ? node["content"].Text(null) : node.Text(null);

    // One template, or a list of named ones, of which "default" is for conversations.
    private static string? Template(JsonField node)
    {
        if (!node.IsList)
        {
            return node.Text(null);
        }

        foreach (JsonField item in node.Items())
        {
            if (item["name"].Text() == "default")
            {
                return item["template"].Text();
            }
        }

        return null;
    }
}
