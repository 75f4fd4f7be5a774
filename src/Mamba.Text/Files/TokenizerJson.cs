using System.Text.Json;
using Mamba.Text.Tokenizing;

namespace Mamba.Text.Files;

/// <summary>The file <c>tokenizer.json</c> of the Hugging Face tokenizers.</summary>
internal static class TokenizerJson
{
    // Larger ids are no vocabulary of a language model: an embedding of that many rows has billions of numbers.
    private const int LargestId = 1 << 24;

    /// <summary>Reads the bytes of the file.</summary>
    /// <param name="json">The file.</param>
    /// <param name="config">The files that stand beside it.</param>
    public static TextTokenizer Read(ReadOnlyMemory<byte> json, TokenizerConfig config)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new() { MaxDepth = 64 });
            return Read(new JsonField(document.RootElement, "tokenizer.json"), config);
        }
        catch (JsonException exception)
        {
            throw Unsupported.Data($"tokenizer.json is no JSON: {exception.Message}", exception);
        }
    }

    private static PipelineTokenizer Read(JsonField root, TokenizerConfig config)
    {
        BytePairModel model = Model(root["model"]);
        Func<string, string> normalizer = NormalizerJson.Read(root["normalizer"]);
        List<PreTokenizer> stages = [];
        PreTokenizerJson.Read(root["pre_tokenizer"], stages);
        List<AddedToken> added = [.. Added(root["added_tokens"], model.Vocabulary)];
        Dictionary<string, int> ids = new(StringComparer.Ordinal);
        foreach (AddedToken token in added)
        {
            ids[token.Content] = token.Id;
        }

        int? IdOf(string? token) =>
            token is not null && (ids.TryGetValue(token, out int id) || model.Vocabulary.TryGetValue(token, out id))
                ? id
                : null;
        (List<int> before, List<int> after) = TemplateJson.Read(root["post_processor"], IdOf);
        int? begin = IdOf(config.BeginToken), end = IdOf(config.EndToken);
        return new(model, new()
        {
            Added = added,
            Normalizer = normalizer,
            PreTokenizers = stages,
            Decoders = DecoderJson.Read(root["decoder"]),
            Before = Overruled(before, begin, config.AddBeginToken, atStart: true),
            After = Overruled(after, end, config.AddEndToken, atStart: false),
            BeginToken = begin,
            EndToken = end,
            PaddingToken = IdOf(config.PaddingToken),
            UnknownToken = IdOf(config.UnknownToken),
            ChatTemplate = config.ChatTemplate,
        });
    }

    // add_bos_token and add_eos_token of the configuration overrule the template of tokenizer.json.
    private static List<int> Overruled(List<int> template, int? token, bool? add, bool atStart)
    {
        if (add is null || token is null)
        {
            return template;
        }

        List<int> result = [.. template.Where(id => id != token)];
        if (add.Value)
        {
            result.Insert(atStart ? 0 : result.Count, token.Value);
        }

        return result;
    }

    private static IEnumerable<AddedToken> Added(JsonField list, IReadOnlyDictionary<string, int> vocabulary)
    {
        foreach (JsonField item in list.Items())
        {
            string content = item["content"].Text();
            int id = Id(item["id"]);
            if (content.Length > 0)
            {
                yield return new(vocabulary.GetValueOrDefault(content, id), content)
                {
                    IsSpecial = item["special"].Flag(false),
                    IsNormalized = item["normalized"].Flag(!item["special"].Flag(false)),
                    IsSingleWord = item["single_word"].Flag(false),
                    StripsLeft = item["lstrip"].Flag(false),
                    StripsRight = item["rstrip"].Flag(false),
                };
            }
        }
    }

    private static BytePairModel Model(JsonField model)
    {
        // Files of old versions name no type: merges are then byte-pair encoding.
        string type = model["type"].Text(model["merges"].IsNull ? "without a type" : "BPE")!;
        if (type != "BPE")
        {
            throw Unsupported.Part($"a model of the type {type} (BPE is)");
        }

        if (!model["dropout"].IsNull && model["dropout"].Value.ValueKind == JsonValueKind.Number &&
            model["dropout"].Value.GetDouble() != 0)
        {
            throw Unsupported.Part("dropout, which makes tokens random");
        }

        foreach (string affix in new[] { "continuing_subword_prefix", "end_of_word_suffix" })
        {
            if (model[affix].Text("")!.Length > 0)
            {
                throw Unsupported.Part($"\"{affix}\"");
            }
        }

        Dictionary<string, int> vocabulary = new(StringComparer.Ordinal);
        foreach ((string token, JsonField node) in model["vocab"].Members())
        {
            vocabulary[token] = Id(node);
        }

        string? unknown = model["unk_token"].Text(null);
        return new(vocabulary, MergeRules.OfPairs(Pairs(model["merges"]), vocabulary))
        {
            Unknown = unknown is null ? null
                : vocabulary.TryGetValue(unknown, out int id) ? id
                : throw Unsupported.Data($"the unknown token \"{unknown}\" is not in the vocabulary."),
            FusesUnknown = model["fuse_unk"].Flag(false),
            IgnoresMerges = model["ignore_merges"].Flag(false),
            Bytes = model["byte_fallback"].Flag(false) ? MergeRules.ByteTokens(vocabulary) : null,
        };
    }

    private static int Id(JsonField node)
    {
        int id = node.Number();
        return id < LargestId ? id : throw Unsupported.Data($"the id {id} is not below {LargestId}.");
    }

    // Either "a b" or ["a", "b"], which also allows spaces in tokens.
    private static IEnumerable<(string Left, string Right)> Pairs(JsonField merges)
    {
        foreach (JsonField merge in merges.Items())
        {
            if (merge.IsText)
            {
                yield return MergeRules.Pair(merge.Text());
                continue;
            }

            string[] pair = [.. merge.Items().Select(item => item.Text())];
            yield return pair.Length == 2
                ? (pair[0], pair[1])
                : throw Unsupported.Data($"{merge.Path} must be two tokens, but has {pair.Length}.");
        }
    }
}
