using System.Text;

namespace Mamba.Text.Tokenizing;

/// <summary>Spells words in GPT-2's alphabet of bytes.</summary>
/// <param name="addPrefixSpace">Whether a word that does not begin with a space gets one.</param>
/// <param name="pattern">Cuts the words first; null leaves them as they are.</param>
internal sealed class ByteLevelStage(bool addPrefixSpace, PiecePattern? pattern) : PreTokenizer
{
    /// <summary>GPT-2's words.</summary>
    public const string Words = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private readonly PatternSplit? _split = pattern is null ? null : new(pattern, SplitBehavior.Isolated);

    /// <inheritdoc/>
    public override void Apply(Pieces pieces)
    {
        if (addPrefixSpace)
        {
            Rewriting.Prefix(pieces, ' ', isAlways: true);
        }

        _split?.Apply(pieces);
        char[] spelled = new char[Encoding.UTF8.GetMaxByteCount(pieces.Text.Length)];
        int count = 0;
        foreach ((int start, int end) in pieces.Items)
        {
            int from = count;
            count += ByteAlphabet.Spell(pieces.Text.AsSpan(start, end - start), spelled.AsSpan(count));
            pieces.Add(from, count);
        }

        pieces.Advance();
        pieces.Text = new(spelled, 0, count);
    }
}
