using System.Text;
using Mamba.Text.Unicode;

namespace Mamba.Text.Tokenizing;

/// <summary>Keeps runs of word characters and runs of other characters, and drops spaces.</summary>
internal sealed class WordSplit() : Split(SplitBehavior.Removed, invert: true)
{
    /// <inheritdoc/>
    protected override void Find(ReadOnlySpan<char> text, List<(int Start, int End)> matches)
    {
        int at = 0, start = 0, last = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            int kind = Rune.IsWhiteSpace(rune) ? 0 : Characters.IsWord(rune) ? 1 : 2;
            if (kind != last)
            {
                Close(at);
                (start, last) = (at, kind);
            }

            at += rune.Utf16SequenceLength;
        }

        Close(at);

        void Close(int end)
        {
            if (last != 0)
            {
                matches.Add((start, end));
            }
        }
    }
}
