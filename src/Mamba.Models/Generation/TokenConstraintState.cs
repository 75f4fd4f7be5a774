namespace Mamba.Models.Generation;

/// <summary>A <see cref="TokenConstraint"/> in one text. One thread at a time uses it.</summary>
public abstract class TokenConstraintState
{
    /// <summary>Whether nothing can follow, so that the text ends without a stop token.</summary>
    public abstract bool IsComplete { get; }

    /// <summary>Sets the logits of the tokens that may not come next to -∞.</summary>
    /// <param name="logits">Shape [vocabulary]; the model's logits, which are changed.</param>
    public abstract void Mask(Span<float> logits);

    /// <summary>Takes the token that was chosen, which is no stop token.</summary>
    /// <param name="token">The token.</param>
    public abstract void Advance(int token);
}
