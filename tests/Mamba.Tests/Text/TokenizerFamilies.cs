using System.Text.Json.Nodes;

namespace Mamba.Tests.Text;

/// <summary>Tokenizers in the shapes of the published families, and of every part that is supported.</summary>
internal static class TokenizerFamilies
{
    private static readonly string Specials = Added(
        ("<|endoftext|>", Flag.Special),
        ("<|im_start|>", Flag.Special),
        ("<s>", Flag.Special));

    private static readonly string Runs = Added(
        ("<|endoftext|>", Flag.Special),
        ("    ", Flag.Normalized),
        ("   ", Flag.Normalized),
        ("  ", Flag.Normalized));

    private static readonly string Flags = Added(
        ("<L>", Flag.Special | Flag.Left),
        ("<R>", Flag.Special | Flag.Right),
        ("<LR>", Flag.Left | Flag.Right),
        ("Word", Flag.SingleWord),
        ("Été", Flag.Normalized | Flag.SingleWord | Flag.Right),
        ("ÉtÉS", Flag.Special | Flag.Normalized | Flag.Left),
        ("Wor", Flag.None));

    private static readonly string Pieces = Added(
        ("<unk>", Flag.Special),
        ("<s>", Flag.Special),
        ("</s>", Flag.Special),
        ("[INST]", Flag.Normalized));

    private const string Llama3Words =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" +
        @"\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string TekkenWords =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|" +
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}|" +
        @" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string PossessiveWords =
        @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";

    private const string SpaceDecoder =
        """
        {"type": "Sequence", "decoders": [
          {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
          {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
        """;

    private const string SpaceNormalizer =
        """
        {"type": "Sequence", "normalizers": [
          {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
        """;

    private const string Bytes =
        """{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}""";

    private const string Words =
        """{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}""";

    /// <summary>The tokenizers by name; a function, because training one takes a while.</summary>
    public static readonly Dictionary<string, Func<JsonObject>> All = new(Parts())
    {
        ["gpt-neox"] = () => TokenizerJsonBuilder.ByteLevel(Words, """{"type": "NFC"}""", Runs),
        ["gpt-2, granite"] = () => TokenizerJsonBuilder.ByteLevel(Words, added: Specials),
        ["gpt-2 with a space in front"] = () => TokenizerJsonBuilder.ByteLevel(
            """{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}""",
            added: Specials),
        ["llama-3, bamba"] = () => TokenizerJsonBuilder.ByteLevel(
            Cut(Llama3Words, Bytes), added: Specials, processor: Begin("<s>", 558), ignoreMerges: true),
        ["tekken, nemotron"] = () => TokenizerJsonBuilder.ByteLevel(
            Cut(TekkenWords, Bytes), added: Specials, processor: Begin("<s>", 558), ignoreMerges: true),
        ["falcon"] = () => TokenizerJsonBuilder.ByteLevel(Sequence(
            """{"type": "Punctuation", "behavior": "Contiguous"}""", Words,
            """{"type": "Digits", "individual_digits": false}""",
            """{"type": "Split", "pattern": {"Regex": "[0-9][0-9][0-9]"}, "behavior": "Isolated", "invert": false}"""),
            added: Specials),
        ["falcon-h1"] = () => TokenizerJsonBuilder.ByteLevel(Sequence(
            """{"type": "Split", "pattern": {"String": "\n"}, "behavior": "Isolated", "invert": false}""",
            """{"type": "Punctuation", "behavior": "Isolated"}""", """{"type": "Digits", "individual_digits": true}""",
            Words),
            added: Specials),
        ["possessive, qwen"] = () => TokenizerJsonBuilder.ByteLevel(
            Cut(PossessiveWords, Bytes), """{"type": "NFC"}""", Specials),
        ["inverted, removed"] = () => TokenizerJsonBuilder.ByteLevel(Sequence(
            """
            {"type": "Split", "pattern": {"Regex": "'s|\\p{L}+|\\p{N}"}, "behavior": "Removed", "invert": true}
            """,
            Bytes)),
        ["mistral, zamba2, jamba, codestral"] = () => TokenizerJsonBuilder.SentencePiece(
            "null", SpaceNormalizer, SpaceDecoder, Pieces, Begin("<s>", 1)),
        ["unknown fused"] = () => TokenizerJsonBuilder.SentencePiece(
            "null", SpaceNormalizer, SpaceDecoder, Pieces, hasBytes: false),
        ["unknown not fused"] = () => TokenizerJsonBuilder.SentencePiece(
            "null", SpaceNormalizer, SpaceDecoder, Pieces, hasBytes: false, fuses: false),
        ["metaspace first"] = () => TokenizerJsonBuilder.SentencePiece(
            Metaspace("first", false), "null", SpaceDecoder, Pieces, Begin("<s>", 1)),
        ["metaspace always"] = () => TokenizerJsonBuilder.SentencePiece(
            Metaspace("always", true), "null", Metaspace("always", true), Pieces),
        ["metaspace never"] = () => TokenizerJsonBuilder.SentencePiece(
            Metaspace("never", true), "null", Metaspace("never", true), Pieces),
        ["flags of added tokens"] = () => TokenizerJsonBuilder.ByteLevel(
            Words, """{"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}""", Flags),
        ["added tokens, prepended"] = () => TokenizerJsonBuilder.SentencePiece(
            "null", """{"type": "Prepend", "prepend": "W"}""", SpaceDecoder, Flags),
        ["no decoder"] = () => TokenizerJsonBuilder.ByteLevel(Words, decoder: "null"),
        ["strip before fuse"] = () => TokenizerJsonBuilder.SentencePiece(
            "null", SpaceNormalizer,
            """
            {"type": "Sequence", "decoders": [{"type": "Strip", "content": "▁", "start": 1, "stop": 0},
              {"type": "Replace", "pattern": {"Regex": "[ae]"}, "content": "--"}, {"type": "ByteFallback"}]}
            """),
        ["strip after fuse"] = () => TokenizerJsonBuilder.SentencePiece(
            "null", SpaceNormalizer,
            """
            {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"},
              {"type": "Strip", "content": "▁", "start": 2, "stop": 0}]}
            """),
        ["replace by regex"] = () => TokenizerJsonBuilder.ByteLevel(
            Bytes, """{"type": "Replace", "pattern": {"Regex": "\\s+|\\p{Lu}"}, "content": "é_"}"""),
        ["byte-level normalizer"] = () => TokenizerJsonBuilder.ByteLevel(
            """{"type": "Split", "pattern": {"Regex": "Ġ?[a-zA-Z]+"}, "behavior": "Isolated", "invert": false}""",
            """{"type": "ByteLevel"}"""),
        ["char delimiter"] = () => TokenizerJsonBuilder.ByteLevel(
            Sequence("""{"type": "CharDelimiterSplit", "delimiter": "a"}""", Bytes)),
    };

    private static Dictionary<string, Func<JsonObject>> Parts()
    {
        Dictionary<string, Func<JsonObject>> parts = [];
        foreach (string form in new[] { "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents" })
        {
            parts[form] = () => TokenizerJsonBuilder.ByteLevel(Bytes, $$"""{"type": "{{form}}"}""");
        }

        foreach ((bool left, bool right) in new[] { (true, true), (true, false), (false, true) })
        {
            parts[$"strip {left} {right}"] = () => TokenizerJsonBuilder.ByteLevel(
                Bytes, $$$"""{"type": "Strip", "strip_left": {{{Json(left)}}}, "strip_right": {{{Json(right)}}}}""");
        }

        foreach (string type in new[] { "Whitespace", "WhitespaceSplit", "BertPreTokenizer" })
        {
            parts[type] = () => TokenizerJsonBuilder.ByteLevel(Sequence($$"""{"type": "{{type}}"}""", Bytes));
        }

        foreach (string behavior in new[]
        {
            "Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous",
        })
        {
            parts[$"punctuation {behavior}"] = () => TokenizerJsonBuilder.ByteLevel(
                Sequence($$"""{"type": "Punctuation", "behavior": "{{behavior}}"}""", Bytes));
            foreach (bool invert in new[] { false, true })
            {
                string split =
                    $$$"""
                    {"type": "Split", "pattern": {"Regex": "\\p{P}|\\p{N}|[aeiou]"}, "behavior": "{{{behavior}}}",
                     "invert": {{{Json(invert)}}}}
                    """;
                parts[$"{behavior}, inverted: {invert}"] = () => TokenizerJsonBuilder.ByteLevel(Sequence(split, Bytes));
            }
        }

        return parts;
    }

    private static string Json(bool value) => value ? "true" : "false";

    [Flags]
    private enum Flag
    {
        None = 0,
        Special = 1,
        Normalized = 2,
        SingleWord = 4,
        Left = 8,
        Right = 16,
    }

    private static string Added(params (string Content, Flag Flags)[] tokens) => new JsonArray([.. tokens.Select(
        token => (JsonNode)new JsonObject
        {
            ["content"] = token.Content,
            ["special"] = token.Flags.HasFlag(Flag.Special),
            ["normalized"] = token.Flags.HasFlag(Flag.Normalized),
            ["single_word"] = token.Flags.HasFlag(Flag.SingleWord),
            ["lstrip"] = token.Flags.HasFlag(Flag.Left),
            ["rstrip"] = token.Flags.HasFlag(Flag.Right),
        })]).ToJsonString();

    private static string Sequence(params string[] stages) =>
        $$"""{"type": "Sequence", "pretokenizers": [{{string.Join(", ", stages)}}]}""";

    private static string Cut(string pattern, string next) => Sequence(
        $$"""
        {"type": "Split", "pattern": {"Regex": {{JsonValue.Create(pattern)!.ToJsonString()}}}, "behavior": "Isolated",
         "invert": false}
        """,
        next);

    private static string Metaspace(string scheme, bool split) =>
        $$$"""
        {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "{{{scheme}}}", "split": {{{Json(split)}}}}
        """;

    private static string Begin(string token, int id) =>
        $$$$"""
        {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "{{{{token}}}}", "type_id": 0}},
          {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}},
          {"Sequence": {"id": "B", "type_id": 1}}],
          "special_tokens": {"{{{{token}}}}":
            {"id": "{{{{token}}}}", "ids": [{{{{id}}}}], "tokens": ["{{{{token}}}}"]}}}
        """;
}
