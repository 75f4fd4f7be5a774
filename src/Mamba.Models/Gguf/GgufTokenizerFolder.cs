using System.Text.Json;

namespace Mamba.Models.Gguf;

/// <summary>
/// Reads the byte-level BPE tokenizers of Hugging Face folders, <c>tokenizer.json</c> and <c>tokenizer_config.json</c>,
/// as GGUF has them.
/// </summary>
internal sealed class GgufTokenizerFolder
{
    public const string FileName = "tokenizer.json";

    private const string ConfigName = "tokenizer_config.json", TemplateName = "chat_template.jinja";
    private const int MaxLength = 128 << 20;
    private const int Normal = 1, Control = 3, UserDefined = 4;

    /// <summary>How Llama-3 cuts text into words.</summary>
    private const string LlamaPattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" +
        @"\s*[\r\n]+|\s+(?!\S)|\s+";

    private readonly string _path;
    private readonly List<string?> _tokens = [];
    private readonly List<int> _types = [];

    private GgufTokenizerFolder(string path) => _path = path;

    /// <summary>Reads a folder.</summary>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    /// <exception cref="NotSupportedException">llama.cpp has no such tokenizer.</exception>
    public static GgufTokenizer Read(string folder)
    {
        string path = Path.Combine(folder, FileName);
        try
        {
            using JsonDocument json = Open(path);
            return new GgufTokenizerFolder(path).Read(folder, json.RootElement);
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException
            or InvalidOperationException or FormatException)
        {
            throw new InvalidDataException($"{path}: expected a tokenizer; found: {exception.Message}", exception);
        }
    }

    private static JsonDocument Open(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return stream.Length <= MaxLength
            ? JsonDocument.Parse(stream)
            : throw new InvalidDataException($"{path}: expected at most {MaxLength} bytes; found {stream.Length}.");
    }

    private GgufTokenizer Read(string folder, JsonElement json)
    {
        JsonElement model = json.GetProperty("model");
        if (model.TryGetProperty("type", out JsonElement type) && type.GetString() is { } kind && kind != "BPE")
        {
            throw Unsupported($"the model is {kind}; supported is BPE");
        }

        string pre = PreTokenizer(json.GetProperty("pre_tokenizer"));
        JsonElement vocabulary = model.GetProperty("vocab");
        JsonElement[] added =
            json.TryGetProperty("added_tokens", out JsonElement list) ? [.. list.EnumerateArray()] : [];
        int most = vocabulary.GetPropertyCount() + added.Length;
        foreach (JsonProperty token in vocabulary.EnumerateObject())
        {
            Set(token.Value.GetInt32(), most, token.Name, Normal);
        }

        foreach (JsonElement token in added)
        {
            Set(
                token.GetProperty("id").GetInt32(), most, token.GetProperty("content").GetString()!,
                token.GetProperty("special").GetBoolean() ? Control : UserDefined);
        }

        int hole = _tokens.IndexOf(null);
        if (hole >= 0)
        {
            throw new InvalidDataException($"{_path}: expected a token for every id; found none for {hole}.");
        }

        return WithConfig(folder, new()
        {
            Model = "gpt2",
            Pre = pre,
            Tokens = [.. _tokens.Select(token => token!)],
            TokenTypes = [.. _types],
            Merges = [.. model.GetProperty("merges").EnumerateArray().Select(Merge)],
        });
    }

    private static string Merge(JsonElement merge) => merge.ValueKind == JsonValueKind.Array
        ? $"{merge[0].GetString()} {merge[1].GetString()}"
        : merge.GetString() ?? throw new FormatException("a merge of null");

    private void Set(int id, int count, string token, int type)
    {
        if (id < 0 || id >= count)
        {
            throw new InvalidDataException(
                $"{_path}: token \"{token}\": expected an id from 0 to {count - 1}; found {id}.");
        }

        while (_tokens.Count <= id)
        {
            _tokens.Add(null);
            _types.Add(Normal);
        }

        (_tokens[id], _types[id]) = (token, type);
    }

    /// <summary>The name that llama.cpp has for a way to cut text into words.</summary>
    private string PreTokenizer(JsonElement pre)
    {
        JsonElement[] steps = pre.ValueKind == JsonValueKind.Null ? []
            : pre.TryGetProperty("pretokenizers", out JsonElement sequence) ? [.. sequence.EnumerateArray()]
            : [pre];
        string[] types = Array.ConvertAll(steps, step => step.GetProperty("type").GetString()!);
        return types switch
        {
            ["ByteLevel"] when Flag(steps[0], "use_regex", true) && !Flag(steps[0], "add_prefix_space", true) =>
                "gpt-2",
            ["Split", "ByteLevel"] when !Flag(steps[1], "use_regex", true)
                && !Flag(steps[1], "add_prefix_space", true) && PatternOf(steps[0]) == LlamaPattern => "llama-bpe",
            _ => throw Unsupported(
                $"the pre-tokenizer is {(types.Length == 0 ? "absent" : string.Join(", ", types))}; supported are " +
                "those of GPT-2 and of Llama-3"),
        };
    }

    private static string? PatternOf(JsonElement split) =>
        split.GetProperty("pattern").TryGetProperty("Regex", out JsonElement pattern) ? pattern.GetString() : null;

    private static bool Flag(JsonElement json, string key, bool absent) =>
        json.TryGetProperty(key, out JsonElement value) ? value.GetBoolean() : absent;

    /// <summary>Adds the tokens of a meaning, and the chat template.</summary>
    private GgufTokenizer WithConfig(string folder, GgufTokenizer tokenizer)
    {
        string config = Path.Combine(folder, ConfigName), template = Path.Combine(folder, TemplateName);
        string? chat = File.Exists(template) ? File.ReadAllText(template) : null;
        if (!File.Exists(config))
        {
            return tokenizer with { ChatTemplate = chat };
        }

        using JsonDocument json = Open(config);
        JsonElement root = json.RootElement;
        return tokenizer with
        {
            BeginOfText = Id(root, "bos_token"),
            EndOfText = Id(root, "eos_token"),
            Unknown = Id(root, "unk_token"),
            Padding = Id(root, "pad_token"),
            AddBeginOfText = Optional(root, "add_bos_token"),
            AddEndOfText = Optional(root, "add_eos_token"),
            ChatTemplate = root.TryGetProperty("chat_template", out JsonElement own)
                && own.ValueKind == JsonValueKind.String ? own.GetString() : chat,
        };
    }

    private static bool? Optional(JsonElement json, string key) => json.TryGetProperty(key, out JsonElement value)
        && value.ValueKind is JsonValueKind.True or JsonValueKind.False
        ? json.GetProperty(key).GetBoolean()
        : null;

    /// <summary>The id of a token that is named by its text, or by an object with its text.</summary>
    private int? Id(JsonElement json, string key)
    {
        if (!json.TryGetProperty(key, out JsonElement token))
        {
            return null;
        }

        string? text = token.ValueKind switch
        {
            JsonValueKind.String => token.GetString(),
            JsonValueKind.Object => token.GetProperty("content").GetString(),
            _ => null,
        };
        int id = text is null ? -1 : _tokens.IndexOf(text);
        return id < 0 ? null : id;
    }

    private NotSupportedException Unsupported(string reason) => new($"{_path}: {reason}.");
}
