using Mamba.Models.Generation;

namespace Mamba.Text;

/// <summary>Ends generated texts at strings, wherever the borders of tokens are.</summary>
/// <example>
/// <code>
/// GenerationOptions options = new() { StopRule = StopStrings.Rule(tokenizer, ["\n\n", "User:"]) };
/// await foreach (int token in model.GenerateAsync(prompt, options))
/// {
///     Console.Write($"{token} ");
/// }
/// </code>
/// </example>
public static class StopStrings
{
    /// <summary>
    /// Makes a rule for <see cref="GenerationOptions.StopRule"/>: a text ends with the token that completes one of the
    /// strings.
    /// </summary>
    /// <param name="tokenizer">The tokenizer of the tokens.</param>
    /// <param name="stops">The strings.</param>
    /// <returns>The rule; null if there are no strings.</returns>
    /// <remarks>
    /// The token may have text before the string. <see cref="GeneratedText"/> gives the text up to there.
    /// </remarks>
    /// <exception cref="ArgumentException">A string is empty.</exception>
    public static Func<Func<int, bool>>? Rule(TextTokenizer tokenizer, IReadOnlyList<string> stops)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        string[] all = [.. Checked(stops)];
        return all.Length == 0 ? null : () =>
        {
            GeneratedText text = new(tokenizer, all);
            return token =>
            {
                text.Append(new(token, null, []));
                return text.IsStopped;
            };
        };
    }

    internal static IReadOnlyList<string> Checked(IReadOnlyList<string> stops)
    {
        ArgumentNullException.ThrowIfNull(stops);
        return stops.Any(string.IsNullOrEmpty)
            ? throw new ArgumentException("StopSequences: expected texts; found an empty one.", nameof(stops))
            : stops;
    }
}
