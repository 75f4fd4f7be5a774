using System.Text;

namespace Mamba.Text.Tokenizing;

/// <summary>Cuts words at characters of a class; each is a match by itself.</summary>
internal sealed class CharacterSplit(Func<Rune, bool> isMatch, SplitBehavior behavior) : Split(behavior)
{
    /// <inheritdoc/>
    protected override void Find(ReadOnlySpan<char> text, List<(int Start, int End)> matches)
    {
        int at = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            int end = at + rune.Utf16SequenceLength;
            if (isMatch(rune))
            {
                matches.Add((at, end));
            }

            at = end;
        }
    }
}
