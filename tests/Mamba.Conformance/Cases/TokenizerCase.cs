using System.Text.Json;
using Mamba.Text;

namespace Mamba.Conformance.Cases;

/// <summary>
/// Texts and their tokens by a published tokenizer, which lies in <c>tokenizers</c> beside the reference data.
/// </summary>
internal static class TokenizerCase
{
    /// <summary>Why a case is not run; null: it is.</summary>
    public static string? SkipReason(string path) =>
        File.Exists(TokenizerOf(path)) ? null : $"there is no {TokenizerOf(path)}";

    public static void Run(string path, Report report)
    {
        TextTokenizer tokenizer = TextTokenizer.Load(TokenizerOf(path));
        using JsonDocument file = JsonDocument.Parse(File.ReadAllBytes(path));
        int number = 0;
        foreach (JsonElement item in file.RootElement.GetProperty("cases").EnumerateArray())
        {
            string text = item.GetProperty("text").GetString()!, decoded = item.GetProperty("decoded").GetString()!;
            int[] ids = [.. item.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];

            report.CompareExactly($"ids of text {number}", tokenizer.Encode(text, addSpecialTokens: false), ids);
            report.CompareExactly($"text {number} of its ids", tokenizer.Decode(ids), decoded);
            number++;
        }
    }

    // golden/tokenizer/NAME.json is of tokenizers/NAME/tokenizer.json.
    private static string TokenizerOf(string path) => Path.GetFullPath(Path.Combine(
        path, "../../../tokenizers", Path.GetFileNameWithoutExtension(path), "tokenizer.json"));
}
