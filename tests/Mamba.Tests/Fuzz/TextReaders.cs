using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mamba.Tests.Text;
using Mamba.Text;

namespace Mamba.Tests.Fuzz;

/// <summary>The readers of tokenizers.</summary>
internal static class TextReaders
{
    private const string Json = "tokenizer.json", Config = "tokenizer_config.json", Model = "tokenizer.model";

    /// <summary>All of them.</summary>
    public static readonly FuzzReader[] All =
    [
        new()
        {
            Name = "tokenizer.json",
            Seeds =
            [
                Seed("gpt-neox"), Seed("llama-3, bamba"), Seed("mistral, zamba2, jamba, codestral"), Seed("falcon-h1"),
                Seed("flags of added tokens"), Seed("metaspace always"), Seed("replace by regex"),
            ],
            Open = (folder, _) => new Opened(TextTokenizer.Load(folder)),
            Use = (opened, _) => Use(((Opened)opened).Tokenizer),
            Refusals = [typeof(InvalidDataException), typeof(NotSupportedException)],
        },
        new()
        {
            Name = "tokenizer.model",
            Seeds =
            [
                new(new Dictionary<string, byte[]> { [Model] = SentencePieceFiles.BytePairs() }, Model),
            ],
            Open = (folder, _) => new Opened(TextTokenizer.Load(folder)),
            Use = (opened, _) => Use(((Opened)opened).Tokenizer),
            Refusals = [typeof(InvalidDataException), typeof(NotSupportedException)],
        },
    ];

    /// <summary>Uses a tokenizer as a program would.</summary>
    public static void Use(TextTokenizer tokenizer)
    {
        foreach (string text in new[] { "", " ", "The light, 1234!\n\n  e\u0301 日本 🎉<s>", "\uD800x" })
        {
            int[] ids = tokenizer.Encode(text);
            tokenizer.Decode(ids, skipSpecialTokens: true);
            tokenizer.Encode(text, addSpecialTokens: false, recognizeSpecialTokens: false);
        }

        TokenDecoder decoder = tokenizer.CreateDecoder();
        for (int id = 0; id < Math.Min(tokenizer.VocabularySize, 1000); id++)
        {
            decoder.Append(id);
        }

        decoder.Finish();
    }

    private static FuzzSeed Seed(string family)
    {
        JsonObject file = TokenizerFamilies.All[family]();
        JsonArray merges = file["model"]!["merges"]!.AsArray();
        while (merges.Count > 20) // of each kind of item some are enough
        {
            merges.RemoveAt(20);
        }

        return new(
            new Dictionary<string, byte[]>
            {
                [Json] = JsonSerializer.SerializeToUtf8Bytes(file),
                [Config] = Encoding.UTF8.GetBytes(
                    """
                    {"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "add_bos_token": true,
                     "add_eos_token": false, "chat_template": [{"name": "default", "template": "{{ messages }}"}]}
                    """),
            },
            Json,
            Json,
            Json,
            Config);
    }

    private sealed record Opened(TextTokenizer Tokenizer) : IDisposable
    {
        public void Dispose()
        {
        }
    }
}
