namespace Mamba.Text.Tokenizing;

/// <summary>Writes spaces as another character, mostly ▁, and cuts before it.</summary>
/// <param name="replacement">The character.</param>
/// <param name="prefix">Whether every word gets it in front (true), the first one (null), or none (false).</param>
/// <param name="split">Whether words are cut before it.</param>
internal sealed class MetaspaceStage(char replacement, bool? prefix, bool split) : PreTokenizer
{
    private readonly PatternSplit _split =
        new(PiecePattern.OfLiteral(replacement.ToString()), SplitBehavior.MergedWithNext);

    /// <inheritdoc/>
    public override void Apply(Pieces pieces)
    {
        pieces.Text = pieces.Text.Replace(' ', replacement);
        if (prefix != false)
        {
            Rewriting.Prefix(pieces, replacement, isAlways: prefix == true);
        }

        if (split)
        {
            _split.Apply(pieces);
        }
    }
}
