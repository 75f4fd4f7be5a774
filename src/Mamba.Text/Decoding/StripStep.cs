namespace Mamba.Text.Decoding;

/// <summary>Takes a character away at the beginning and the end of the whole text.</summary>
/// <param name="next">The next stage.</param>
/// <param name="content">The character.</param>
/// <param name="start">How often at most at the beginning.</param>
/// <param name="stop">How often at most at the end; as many wait until more text comes.</param>
internal sealed class StripStep(DecodeStep next, char content, int start, int stop) : DecodeStep(next)
{
    private int _left = start, _waiting;

    /// <inheritdoc/>
    public override void Push(string text)
    {
        int from = 0;
        while (_left > 0 && from < text.Length)
        {
            (from, _left) = text[from] == content ? (from + 1, _left - 1) : (from, 0);
        }

        text = text[from..];
        int end = text.Length;
        while (end > 0 && text[end - 1] == content && text.Length - end < stop)
        {
            end--;
        }

        // All of a text of this character may be the end; of what waited before it, as much goes on as exceeds the
        // bound.
        int waits = text.Length - end, sent = end > 0 ? _waiting : Math.Max(0, _waiting + waits - stop);
        Next.Push(new string(content, sent) + text[..end]);
        _waiting = _waiting - sent + waits;
    }
}
