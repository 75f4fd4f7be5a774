using System.Text;
using Mamba.Text.Tokenizing;
using Mamba.Text.Unicode;

namespace Mamba.Text.Files;

/// <summary>The pre-tokenizers of <c>tokenizer.json</c>.</summary>
internal static class PreTokenizerJson
{
    /// <summary>Appends the stages.</summary>
    public static void Read(JsonField node, List<PreTokenizer> stages)
    {
        if (node.IsNull)
        {
            return;
        }

        string type = node["type"].Text();
        switch (type)
        {
            case "Sequence":
                foreach (JsonField item in node["pretokenizers"].Items())
                {
                    Read(item, stages);
                }

                break;
            case "ByteLevel":
                bool cuts = node["use_regex"].Flag(true);
                PiecePattern? words = cuts ? PiecePattern.OfRegex(ByteLevelStage.Words) : null;
                stages.Add(new ByteLevelStage(node["add_prefix_space"].Flag(true), words));
                break;
            case "Split":
                stages.Add(new PatternSplit(
                    ReplacementJson.Pattern(node["pattern"]), Behavior(node["behavior"]), node["invert"].Flag(false)));
                break;
            case "Metaspace":
                bool splits = node["split"].Flag(true);
                stages.Add(new MetaspaceStage(node["replacement"].Character('▁'), MetaspacePrefix(node), splits));
                break;
            case "Whitespace":
                stages.Add(new WordSplit());
                break;
            case "WhitespaceSplit":
                stages.Add(new CharacterSplit(Rune.IsWhiteSpace, SplitBehavior.Removed));
                break;
            case "BertPreTokenizer":
                stages.Add(new CharacterSplit(Rune.IsWhiteSpace, SplitBehavior.Removed));
                stages.Add(new CharacterSplit(Characters.IsPunctuation, SplitBehavior.Isolated));
                break;
            case "Digits":
                bool single = node["individual_digits"].Flag(false);
                stages.Add(new CharacterSplit(
                    Rune.IsNumber, single ? SplitBehavior.Isolated : SplitBehavior.Contiguous));
                break;
            case "Punctuation":
                stages.Add(new CharacterSplit(
                    Characters.IsPunctuation,
                    node["behavior"].IsNull ? SplitBehavior.Isolated : Behavior(node["behavior"])));
                break;
            case "CharDelimiterSplit":
                stages.Add(new PatternSplit(
                    PiecePattern.OfLiteral(node["delimiter"].Text()), SplitBehavior.Removed));
                break;
            default:
                throw Unsupported.Part($"the pre-tokenizer {type}");
        }
    }

    /// <summary>
    /// Whether Metaspace puts its character before every word (true), the first one (null) or none (false).
    /// </summary>
    public static bool? MetaspacePrefix(JsonField node)
    {
        string scheme = node["prepend_scheme"].Text(node["add_prefix_space"].Flag(true) ? "always" : "never")!;
        return scheme switch
        {
            "always" => true,
            "first" => null,
            "never" => false,
            _ => throw Unsupported.Part($"the prepend_scheme {scheme}"),
        };
    }

    private static SplitBehavior Behavior(JsonField node) => node.Text() switch
    {
        "Removed" => SplitBehavior.Removed,
        "Isolated" => SplitBehavior.Isolated,
        "MergedWithPrevious" => SplitBehavior.MergedWithPrevious,
        "MergedWithNext" => SplitBehavior.MergedWithNext,
        "Contiguous" => SplitBehavior.Contiguous,
        string other => throw Unsupported.Part($"the split behavior {other}"),
    };
}
