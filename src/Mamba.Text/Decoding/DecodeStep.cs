namespace Mamba.Text.Decoding;

/// <summary>One stage of turning tokens into text. Texts come one by one, and go to the next stage.</summary>
internal abstract class DecodeStep(DecodeStep? next)
{
    /// <summary>The stage that gets the result.</summary>
    protected DecodeStep Next => next!;

    /// <summary>Takes the text of a token.</summary>
    public abstract void Push(string text);

    /// <summary>No more tokens come: what has been held back goes on.</summary>
    public virtual void End() => next?.End();
}
