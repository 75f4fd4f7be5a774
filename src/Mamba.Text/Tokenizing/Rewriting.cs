using System.Text;

namespace Mamba.Text.Tokenizing;

/// <summary>Changes of the text under the words.</summary>
internal static class Rewriting
{
    /// <summary>Puts a character before words that do not begin with it.</summary>
    /// <param name="pieces">The words.</param>
    /// <param name="prefix">The character.</param>
    /// <param name="isAlways">Before every word; false: only before the first word of the text to be encoded.</param>
    public static void Prefix(Pieces pieces, char prefix, bool isAlways)
    {
        StringBuilder result = new(pieces.Text.Length + 16);
        foreach ((int start, int end) in pieces.Items)
        {
            int from = result.Length;
            if (pieces.Text[start] != prefix && (isAlways || (pieces.IsFirst && start == 0)))
            {
                result.Append(prefix);
            }

            result.Append(pieces.Text, start, end - start);
            pieces.Add(from, result.Length);
        }

        pieces.Advance();
        pieces.Text = result.ToString();
    }
}
