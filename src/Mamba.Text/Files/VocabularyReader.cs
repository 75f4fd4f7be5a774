using Mamba.Text.Decoding;
using Mamba.Text.Tokenizing;

namespace Mamba.Text.Files;

/// <summary>Makes tokenizers of vocabularies in the manner of GGUF.</summary>
internal static class VocabularyReader
{
    private const int Normal = 1, Unknown = 2, Control = 3, UserDefined = 4;

    /// <summary>The tokenizer.</summary>
    public static TextTokenizer Read(TokenizerVocabulary source)
    {
        Check(source);
        Dictionary<string, int> words = new(StringComparer.Ordinal), others = new(StringComparer.Ordinal);
        List<AddedToken> added = [];
        for (int id = 0; id < source.Tokens.Count; id++)
        {
            string token = source.Tokens[id];
            switch (source.Kinds?[id] ?? Normal)
            {
                case Normal:
                    words.TryAdd(token, id);
                    break;
                case Unknown or Control:
                    added.Add(new(id, token) { IsSpecial = true });
                    break;
                case UserDefined:
                    added.Add(new(id, token));
                    break;
                default:
                    others.TryAdd(token, id);
                    break;
            }
        }

        TokenizerParts parts = new()
        {
            Added = added,
            Others = others,
            BeginToken = source.BeginToken,
            EndToken = source.EndToken,
            UnknownToken = source.UnknownToken,
            PaddingToken = source.PaddingToken,
            ChatTemplate = source.ChatTemplate,
            After = source is { AddEndToken: true, EndToken: { } end } ? [end] : [],
        };
        return source.Model switch
        {
            "gpt2" => BytePairs(source, words, parts),
            "llama" => Pieces(source, words, parts),
            _ => throw Unsupported.Part($"a vocabulary of the kind \"{source.Model}\" (gpt2 and llama are)"),
        };
    }

    private static PipelineTokenizer BytePairs(
        TokenizerVocabulary source, Dictionary<string, int> words, TokenizerParts parts)
    {
        if (source.Merges is null)
        {
            throw Unsupported.Data("a vocabulary of the kind \"gpt2\" needs merges, and there are none.");
        }

        WordRule rule = WordRule.Of(source.PreTokenizer ?? "default");
        IEnumerable<PreTokenizer> cuts = rule.Patterns.Select(
            pattern => new PatternSplit(PiecePattern.OfRegex(pattern), SplitBehavior.Isolated));
        BytePairModel model = new(words, MergeRules.OfPairs(source.Merges.Select(MergeRules.Pair), words))
        {
            IgnoresMerges = rule.IgnoresMerges,
        };
        return new(model, parts with
        {
            PreTokenizers = [.. cuts, new ByteLevelStage(addPrefixSpace: false, pattern: null)],
            Decoders = [(next, _) => new ByteLevelStep(next)],
            Spelling = ByteAlphabet.Spell,
            Before = Before(source, rule.AddsBeginToken),
        });
    }

    private static PipelineTokenizer Pieces(
        TokenizerVocabulary source, Dictionary<string, int> words, TokenizerParts parts)
    {
        if (source.Scores is null)
        {
            throw Unsupported.Data("a vocabulary of the kind \"llama\" needs scores, and there are none.");
        }

        bool addsPrefix = source.AddSpacePrefix ?? true;
        (string, float)[] pieces = [.. words.Select(word => (word.Key, source.Scores[word.Value]))];
        int[] bytes = MergeRules.ByteTokens(parts.Others);
        BytePairModel model = new(words, MergeRules.OfScores(pieces, words))
        {
            Bytes = bytes.Any(id => id >= 0) ? bytes : null,
            Unknown = source.UnknownToken ??
                parts.Added.FirstOrDefault(token => source.Kinds?[token.Id] == Unknown)?.Id,
            FusesUnknown = true,
        };
        List<Func<DecodeStep, bool, DecodeStep>> decoders =
        [
            (next, _) => new RewriteStep(next, (text, _) => text.Replace('▁', ' ')),
            (next, streams) => new ByteFallbackStep(next, streams),
        ];
        if (addsPrefix)
        {
            decoders.Add((next, _) => new StripStep(next, ' ', start: 1, stop: 0));
        }

        return new(model, parts with
        {
            Normalizer = text => (addsPrefix && text.Length > 0 ? "▁" : "") + text.Replace(' ', '▁'),
            Decoders = decoders,
            Before = Before(source, isDefault: true),
        });
    }

    private static List<int> Before(TokenizerVocabulary source, bool isDefault) =>
        (source.AddBeginToken ?? isDefault) && source.BeginToken is { } begin ? [begin] : [];

    private static void Check(TokenizerVocabulary source)
    {
        int count = source.Tokens.Count;
        foreach ((string name, int? length) in new[]
        {
            ("kinds", source.Kinds?.Count), ("scores", source.Scores?.Count),
        })
        {
            if (length < count) // llama.cpp reads longer lists too
            {
                throw Unsupported.Data($"there are {count} tokens and {length} {name}.");
            }
        }

        if (source.Scores?.Any(float.IsNaN) == true)
        {
            throw Unsupported.Data("a score is NaN.");
        }

        foreach ((string name, int? id) in new[]
        {
            ("BOS", source.BeginToken), ("EOS", source.EndToken), ("unknown", source.UnknownToken),
            ("padding", source.PaddingToken),
        })
        {
            if (id is { } value && (value < 0 || value >= count))
            {
                throw Unsupported.Data($"the {name} token is {value}, and there are {count} tokens.");
            }
        }
    }
}
