using System.Text;
using System.Text.Json.Nodes;
using Mamba.Text.Tokenizing;

namespace Mamba.Tests.Text;

/// <summary>Makes <c>tokenizer.json</c> files of small vocabularies, in the shapes of published families.</summary>
internal static class TokenizerJsonBuilder
{
    private const string Sample =
        """
        In the beginning God created the heaven and the earth. And the earth was without form, and void; and darkness
        was upon the face of the deep. And the Spirit of God moved upon the face of the waters. And God said, Let there
        be light: and there was light. And God saw the light, that it was good: and God divided the light from the
        darkness. And God called the light Day, and the darkness he called Night. And the evening and the morning were
        the first day. 12 and 345, 2024! I'll say he's "here"; they're there, don't you know? naïve café über 日本語のテキスト
        日本の文字 Привет, мир! Все люди рождаются свободными. مرحبا بالعالم for (int i = 0; i < 10; i++) { x[i] += 1; }
            return x;        // four and eight spaces
        """;

    /// <summary>A tokenizer over GPT-2's alphabet of bytes.</summary>
    public static JsonObject ByteLevel(
        string preTokenizer, string normalizer = "null", string added = "[]", string processor = "null",
        bool ignoreMerges = false, string decoder =
            """{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}""")
    {
        string[] alphabet = [.. Enumerable.Range(0, 256).Select(value => ByteAlphabet.Of((byte)value).ToString())];
        IEnumerable<string> words = Words(" ").Select(word => ByteAlphabet.Spell(word));
        return File(Trained(alphabet, words), preTokenizer, normalizer, added, processor, decoder, new()
        {
            ["ignore_merges"] = ignoreMerges,
        });
    }

    /// <summary>A tokenizer in the manner of SentencePiece, with tokens for bytes.</summary>
    public static JsonObject SentencePiece(
        string preTokenizer, string normalizer, string decoder, string added = "[]", string processor = "null",
        bool hasBytes = true, bool fuses = true)
    {
        List<string> first = ["<unk>", "<s>", "</s>"];
        first.AddRange(Enumerable.Range(0, hasBytes ? 256 : 0).Select(value => $"<0x{value:X2}>"));
        first.AddRange(Sample.EnumerateRunes().Where(rune => rune.Value is not (' ' or '\n')).Select(
            rune => rune.ToString()).Append("▁").Distinct().Order(StringComparer.Ordinal));
        return File(Trained([.. first], Words("▁")), preTokenizer, normalizer, added, processor, decoder, new()
        {
            ["unk_token"] = "<unk>",
            ["fuse_unk"] = fuses,
            ["byte_fallback"] = hasBytes,
        });
    }

    private static JsonObject File(
        (string[] Tokens, (string Left, string Right)[] Merges) trained, string preTokenizer, string normalizer,
        string added, string processor, string decoder, JsonObject model)
    {
        model["type"] = "BPE";
        JsonObject vocabulary = [];
        foreach (string token in trained.Tokens)
        {
            vocabulary[token] = vocabulary.Count;
        }

        model["vocab"] = vocabulary;
        model["merges"] = new JsonArray([.. trained.Merges.Select(pair => (JsonNode)$"{pair.Left} {pair.Right}")]);
        return new()
        {
            ["version"] = "1.0",
            ["added_tokens"] = Numbered(JsonNode.Parse(added)!.AsArray(), vocabulary),
            ["normalizer"] = JsonNode.Parse(normalizer),
            ["pre_tokenizer"] = JsonNode.Parse(preTokenizer),
            ["post_processor"] = JsonNode.Parse(processor),
            ["decoder"] = JsonNode.Parse(decoder),
            ["model"] = model,
        };
    }

    // The reference numbers added tokens that are not in the vocabulary itself, after those that are.
    private static JsonArray Numbered(JsonArray added, JsonObject vocabulary)
    {
        int next = vocabulary.Count;
        foreach (JsonNode? token in added)
        {
            token!["id"] = vocabulary[token["content"]!.GetValue<string>()]?.GetValue<int>() ?? next++;
        }

        return added;
    }

    private static IEnumerable<string> Words(string space) =>
        Sample.ReplaceLineEndings(" ").Split(' ').Select(word => space + word).Concat(["    ", "\n\n", "  "]);

    /// <summary>An alphabet, and the pairs that training merges: always the most frequent one.</summary>
    private static (string[] Tokens, (string Left, string Right)[] Merges) Trained(
        string[] alphabet, IEnumerable<string> words)
    {
        List<string> tokens = [.. alphabet];
        List<(string Left, string Right)> merges = [];
        List<List<string>> texts =
            [.. words.Select(word => word.EnumerateRunes().Select(rune => rune.ToString()).ToList())];
        while (merges.Count < 300)
        {
            Dictionary<(string Left, string Right), int> counts = [];
            foreach (List<string> text in texts)
            {
                for (int i = 0; i + 1 < text.Count; i++)
                {
                    counts[(text[i], text[i + 1])] = counts.GetValueOrDefault((text[i], text[i + 1])) + 1;
                }
            }

            ((string Left, string Right) best, int often) = counts
                .Where(pair => tokens.Contains(pair.Key.Left) && tokens.Contains(pair.Key.Right))
                .OrderByDescending(pair => pair.Value)
                .ThenBy(pair => pair.Key.Left + pair.Key.Right, StringComparer.Ordinal)
                .First();
            if (often == 1)
            {
                break;
            }

            merges.Add(best);
            if (!tokens.Contains(best.Left + best.Right))
            {
                tokens.Add(best.Left + best.Right);
            }

            foreach (List<string> text in texts)
            {
                for (int i = 0; i + 1 < text.Count; i++)
                {
                    if ((text[i], text[i + 1]) == best)
                    {
                        text[i] += text[i + 1];
                        text.RemoveAt(i + 1);
                    }
                }
            }
        }

        return ([.. tokens], [.. merges]);
    }
}
