using Mamba.Models.Generation;
using Mamba.Text;

namespace Mamba.Server.Wire;

/// <summary>Turns log-probabilities of tokens into those of OpenAI's servers.</summary>
internal static class LogProbabilityMapping
{
    private const double Impossible = -9999; // JSON has no -∞

    /// <summary>Those of a chat answer, or of a piece; null: there are none.</summary>
    public static ChatLogProbabilities? OfChat(object? tokens, TextTokenizer tokenizer) =>
        tokens is IEnumerable<GeneratedToken> all && all.Any(token => token.LogProbability is not null)
            ? new([.. all.Select(token => Of(token.Id, token.LogProbability!.Value, tokenizer) with
            {
                TopLogprobs = [.. token.Likeliest.Select(one => Of(one.Id, one.LogProbability, tokenizer))],
            })])
            : null;

    /// <summary>Those of a continuation, or of a piece; null: there are none.</summary>
    /// <param name="tokens">The tokens.</param>
    /// <param name="tokenizer">Their tokenizer.</param>
    /// <param name="offset">Length of the text before them.</param>
    public static CompletionLogProbabilities? OfText(
        IReadOnlyList<GeneratedToken> tokens, TextTokenizer tokenizer, int offset)
    {
        if (!tokens.Any(token => token.LogProbability is not null))
        {
            return null;
        }

        int[] offsets = new int[tokens.Count];
        string[] texts = [.. tokens.Select(token => TextOf(token.Id, tokenizer))];
        for (int i = 0; i < offsets.Length; i++)
        {
            offsets[i] = offset;
            offset += texts[i].Length;
        }

        return new(
            texts,
            [.. tokens.Select(token => Finite(token.LogProbability!.Value))],
            [.. tokens.Select(token => LikeliestOf(token, tokenizer))],
            offsets);
    }

    private static Dictionary<string, double> LikeliestOf(GeneratedToken token, TextTokenizer tokenizer)
    {
        Dictionary<string, double> likeliest = [];
        foreach (TokenProbability one in token.Likeliest)
        {
            likeliest.TryAdd(TextOf(one.Id, tokenizer), Finite(one.LogProbability)); // parts of characters look alike
        }

        return likeliest;
    }

    private static TokenLogProbability Of(int id, double logProbability, TextTokenizer tokenizer) => new(
        TextOf(id, tokenizer), Finite(logProbability), [.. tokenizer.BytesOf(id).Select(one => (int)one)]);

    private static string TextOf(int id, TextTokenizer tokenizer) => tokenizer.IsSpecial(id)
        ? tokenizer.TokenOf(id) ?? ""
        : System.Text.Encoding.UTF8.GetString(tokenizer.BytesOf(id));

    private static double Finite(double logProbability) => Math.Max(logProbability, Impossible);
}
