using System.Text.Json;
using Mamba.Models.Gguf;
using Mamba.Text;

namespace Mamba.Conformance.Cases;

/// <summary>Texts and their tokens by llama.cpp, from the vocabulary inside a GGUF file.</summary>
internal static class GgufTokenizerCase
{
    /// <summary>The GGUF file of a case; null if the case is of another kind.</summary>
    public static string? ModelOf(string path)
    {
        using JsonDocument file = JsonDocument.Parse(File.ReadAllBytes(path));
        return file.RootElement.TryGetProperty("model", out JsonElement model)
            ? Path.GetFullPath(Path.Combine(path, "../..", model.GetString()!))
            : null;
    }

    public static void Run(string path, string model, Report report)
    {
        TextTokenizer tokenizer = Tokenizer(model);
        using JsonDocument file = JsonDocument.Parse(File.ReadAllBytes(path));
        int number = 0;
        foreach (JsonElement item in file.RootElement.GetProperty("cases").EnumerateArray())
        {
            string text = item.GetProperty("text").GetString()!;
            int[] Ids(string name) => [.. item.GetProperty(name).EnumerateArray().Select(id => id.GetInt32())];
            int[] plain = tokenizer.Encode(text, addSpecialTokens: false, recognizeSpecialTokens: false);
            string decoded = item.GetProperty("decoded").GetString()!;

            report.CompareExactly($"ids of text {number}", plain, Ids("ids"));
            report.CompareExactly(
                $"ids with control tokens of text {number}", tokenizer.Encode(text, addSpecialTokens: false),
                Ids("ids_special"));
            report.CompareExactly($"ids with BOS and EOS of text {number}", tokenizer.Encode(text), Ids("ids_added"));
            report.CompareExactly($"text {number} of its ids", tokenizer.Decode(Ids("ids_special")), decoded);
            number++;
        }
    }

    private static TextTokenizer Tokenizer(string model)
    {
        using GgufFile file = GgufFile.Open(model);
        GgufTokenizer data = GgufTokenizer.Read(file) ??
            throw new InvalidDataException($"\"{model}\" has no tokenizer.");
        return TextTokenizer.Create(new()
        {
            Model = data.Model,
            Tokens = data.Tokens,
            Kinds = data.TokenTypes,
            Merges = data.Merges,
            Scores = data.Scores,
            PreTokenizer = data.Pre,
            BeginToken = data.BeginOfText,
            EndToken = data.EndOfText,
            UnknownToken = data.Unknown,
            PaddingToken = data.Padding,
            AddBeginToken = data.AddBeginOfText,
            AddEndToken = data.AddEndOfText,
            AddSpacePrefix = data.AddSpacePrefix,
            ChatTemplate = data.ChatTemplate,
        });
    }
}
