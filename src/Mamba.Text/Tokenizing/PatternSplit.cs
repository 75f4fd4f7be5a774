namespace Mamba.Text.Tokenizing;

/// <summary>Cuts words where a pattern matches.</summary>
internal sealed class PatternSplit(PiecePattern pattern, SplitBehavior behavior, bool invert = false)
    : Split(behavior, invert)
{
    /// <inheritdoc/>
    protected override void Find(ReadOnlySpan<char> text, List<(int Start, int End)> matches) =>
        pattern.Find(text, matches);
}
