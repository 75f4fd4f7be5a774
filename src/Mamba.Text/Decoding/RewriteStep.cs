namespace Mamba.Text.Decoding;

/// <summary>Changes the text of each token by itself.</summary>
/// <param name="next">The next stage.</param>
/// <param name="change">The change, of a token's text; the flag is true for the first token.</param>
internal sealed class RewriteStep(DecodeStep next, Func<string, bool, string> change) : DecodeStep(next)
{
    private bool _hasText;

    /// <inheritdoc/>
    public override void Push(string text)
    {
        Next.Push(change(text, !_hasText));
        _hasText = true;
    }
}
