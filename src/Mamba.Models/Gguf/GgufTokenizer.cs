using Mamba.Models.Checkpoints;

namespace Mamba.Models.Gguf;

/// <summary>The tokenizer data of a GGUF file: the keys <c>tokenizer.*</c>.</summary>
/// <remarks>
/// Absent keys are null. Types of tokens: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
/// </remarks>
/// <example>
/// <code>
/// using GgufFile file = GgufFile.Open("mamba-130m-Q8_0.gguf");
/// GgufTokenizer? tokenizer = GgufTokenizer.Read(file);
/// Console.WriteLine($"{tokenizer?.Pre}: {tokenizer?.Tokens.Count} tokens");
/// </code>
/// </example>
public sealed record GgufTokenizer
{
    /// <summary>Type of tokens that fill the vocabulary up.</summary>
    public const int UnusedType = 5;

    private const string Prefix = "tokenizer.ggml.", JsonKey = "tokenizer.huggingface.json";
    private const string TemplateKey = "tokenizer.chat_template";

    /// <summary>Kind of tokenizer: <c>gpt2</c> for byte-level BPE, <c>llama</c> for SentencePiece.</summary>
    public required string Model { get; init; }

    /// <summary>Name of the pre-tokenizer, such as <c>llama-bpe</c>.</summary>
    public string? Pre { get; init; }

    /// <summary>The texts of the tokens; those of <c>gpt2</c> in its byte alphabet.</summary>
    public IReadOnlyList<string> Tokens { get; init; } = [];

    /// <summary>The types of the tokens.</summary>
    public IReadOnlyList<int>? TokenTypes { get; init; }

    /// <summary>The scores of the tokens.</summary>
    public IReadOnlyList<float>? Scores { get; init; }

    /// <summary>The merges, first to last: two tokens with a space between them.</summary>
    public IReadOnlyList<string>? Merges { get; init; }

    /// <summary>The token that begins a text.</summary>
    public int? BeginOfText { get; init; }

    /// <summary>The token that ends a text.</summary>
    public int? EndOfText { get; init; }

    /// <summary>The token that ends a turn of a conversation.</summary>
    public int? EndOfTurn { get; init; }

    /// <summary>The token of unknown text.</summary>
    public int? Unknown { get; init; }

    /// <summary>The token that separates texts.</summary>
    public int? Separator { get; init; }

    /// <summary>The token that fills batches up.</summary>
    public int? Padding { get; init; }

    /// <summary>Whether a text begins with <see cref="BeginOfText"/>.</summary>
    public bool? AddBeginOfText { get; init; }

    /// <summary>Whether a text ends with <see cref="EndOfText"/>.</summary>
    public bool? AddEndOfText { get; init; }

    /// <summary>Whether a space is added before a text.</summary>
    public bool? AddSpacePrefix { get; init; }

    /// <summary>The chat template.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>The file tokenizer.json.</summary>
    public string? HuggingFaceJson { get; init; }

    /// <summary>Reads the tokenizer data of a file.</summary>
    /// <param name="file">The file.</param>
    /// <returns>The data; null if the file has no tokenizer, or one called <c>none</c>.</returns>
    /// <exception cref="InvalidDataException">
    /// A value is of another type, or lists have different lengths, or a <c>gpt2</c> tokenizer has no merges.
    /// </exception>
    public static GgufTokenizer? Read(GgufFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return Read(file.Keys);
    }

    /// <summary>Reads the tokenizer of a Hugging Face folder: byte-level BPE as of GPT-2 or of Llama-3.</summary>
    /// <param name="folder">A folder with tokenizer.json and, if there is one, tokenizer_config.json.</param>
    /// <returns>The data.</returns>
    /// <exception cref="FileNotFoundException">There is no tokenizer.json.</exception>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    /// <exception cref="NotSupportedException">llama.cpp has no such tokenizer; the message says why.</exception>
    public static GgufTokenizer FromFolder(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return GgufTokenizerFolder.Read(folder);
    }

    internal static GgufTokenizer? Read(GgufKeys keys)
    {
        if (keys.Text($"{Prefix}model") is not { } model || model == "none")
        {
            return null;
        }

        string tokensKey = $"{Prefix}tokens";
        string[] tokens = keys.Texts(tokensKey) is { Length: > 0 } texts
            ? texts
            : throw keys.Refuse(tokensKey, $"the tokens of a tokenizer \"{model}\"", "none");
        long[]? types = keys.IntegerList($"{Prefix}token_type");
        double[]? scores = keys.NumberList($"{Prefix}scores");
        RequireCount(keys, $"{Prefix}token_type", types?.Length, tokens.Length);
        RequireCount(keys, $"{Prefix}scores", scores?.Length, tokens.Length);
        string[]? merges = keys.Texts($"{Prefix}merges");
        if (model == "gpt2" && merges is null)
        {
            throw keys.Refuse($"{Prefix}merges", "the merges of a tokenizer \"gpt2\"", "no such key");
        }

        return new()
        {
            Model = model,
            Pre = keys.Text($"{Prefix}pre"),
            Tokens = tokens,
            TokenTypes = types is null ? null : Array.ConvertAll(types, type => (int)Math.Clamp(type, 0, 255)),
            Scores = scores is null ? null : Array.ConvertAll(scores, score => (float)score),
            Merges = merges,
            BeginOfText = Id(keys, "bos_token_id"),
            EndOfText = Id(keys, "eos_token_id"),
            EndOfTurn = Id(keys, "eot_token_id"),
            Unknown = Id(keys, "unknown_token_id"),
            Separator = Id(keys, "seperator_token_id"), // spelled so
            Padding = Id(keys, "padding_token_id"),
            AddBeginOfText = keys.Flag($"{Prefix}add_bos_token"),
            AddEndOfText = keys.Flag($"{Prefix}add_eos_token"),
            AddSpacePrefix = keys.Flag($"{Prefix}add_space_prefix"),
            ChatTemplate = keys.Text(TemplateKey),
            HuggingFaceJson = keys.Text(JsonKey),
        };
    }

    /// <summary>Writes the keys of a tokenizer for an embedding of some rows.</summary>
    /// <param name="tokenizer">The tokenizer; null: none.</param>
    /// <param name="rows">Number of rows; unused tokens [PADn] fill it.</param>
    /// <param name="writer">The writer.</param>
    /// <exception cref="ArgumentException">There are more tokens than rows, or two of one text.</exception>
    internal static void Write(GgufTokenizer? tokenizer, int rows, GgufWriter writer)
    {
        if (tokenizer is null)
        {
            writer.Add($"{Prefix}model", "none");
            return;
        }

        HashSet<string> texts = [];
        if (tokenizer.Tokens.FirstOrDefault(token => !texts.Add(token)) is { } twice)
        {
            throw new ArgumentException(
                $"Expected tokens of different texts; found \"{twice}\" twice.", nameof(tokenizer));
        }

        if (tokenizer.Tokens.Count > rows)
        {
            throw new ArgumentException(
                $"Expected at most {rows} tokens, one for each row of the embedding; found {tokenizer.Tokens.Count}.",
                nameof(tokenizer));
        }

        tokenizer.PaddedTo(rows).Write(writer);
    }

    private void Write(GgufWriter writer)
    {
        writer.Add($"{Prefix}model", Model);
        writer.Add($"{Prefix}pre", Pre);
        writer.Add($"{Prefix}tokens", Tokens);
        writer.Add($"{Prefix}token_type", TokenTypes);
        writer.Add($"{Prefix}scores", Scores);
        writer.Add($"{Prefix}merges", Merges);
        writer.AddUInt32($"{Prefix}bos_token_id", BeginOfText);
        writer.AddUInt32($"{Prefix}eos_token_id", EndOfText);
        writer.AddUInt32($"{Prefix}eot_token_id", EndOfTurn);
        writer.AddUInt32($"{Prefix}unknown_token_id", Unknown);
        writer.AddUInt32($"{Prefix}seperator_token_id", Separator);
        writer.AddUInt32($"{Prefix}padding_token_id", Padding);
        writer.Add($"{Prefix}add_bos_token", AddBeginOfText);
        writer.Add($"{Prefix}add_eos_token", AddEndOfText);
        writer.Add($"{Prefix}add_space_prefix", AddSpacePrefix);
        writer.Add(TemplateKey, ChatTemplate);
        writer.Add(JsonKey, HuggingFaceJson);
    }

    /// <summary>
    /// The same with as many tokens as an embedding has rows: unused tokens [PADn] follow, of which the file has none.
    /// </summary>
    private GgufTokenizer PaddedTo(int rows)
    {
        if (Tokens.Count == rows)
        {
            return this;
        }

        HashSet<string> taken = [.. Tokens];
        List<string> tokens = [.. Tokens];
        List<int> types = [.. TokenTypes ?? Enumerable.Repeat(1, Tokens.Count)];
        List<float>? scores = Scores is null ? null : [.. Scores];
        for (int i = Tokens.Count; i < rows; i++)
        {
            string name = $"[PAD{i}]";
            while (!taken.Add(name))
            {
                name += "_"; // llama.cpp aborts if two tokens have one text
            }

            tokens.Add(name);
            types.Add(UnusedType);
            scores?.Add(0f);
        }

        return this with { Tokens = tokens, TokenTypes = types, Scores = scores };
    }

    private static int? Id(GgufKeys keys, string name) =>
        keys.Integer($"{Prefix}{name}") is { } id and >= 0 and <= int.MaxValue ? (int)id : null;

    private static void RequireCount(GgufKeys keys, string key, int? count, int tokens)
    {
        // llama.cpp reads longer lists, too.
        if (count < tokens)
        {
            throw keys.Refuse(key, $"{tokens} items, one for each token", $"{count}");
        }
    }
}
