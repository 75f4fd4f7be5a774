namespace Mamba.Text.Decoding;

/// <summary>Puts spaces between tokens: what a tokenizer without a decoder does.</summary>
internal sealed class SpaceJoin(DecodeStep next) : DecodeStep(next)
{
    private bool _hasText;

    /// <inheritdoc/>
    public override void Push(string text)
    {
        Next.Push(_hasText ? " " + text : text);
        _hasText = true;
    }
}
