namespace Mamba.Text;

/// <summary>How one vector is made of those of a text's tokens.</summary>
/// <example>
/// <code>
/// using MambaEmbeddingGenerator generator = new(model, tokenizer, EmbeddingPooling.LastToken);
/// </code>
/// </example>
public enum EmbeddingPooling
{
    /// <summary>The mean of all tokens.</summary>
    Mean,

    /// <summary>The last token, which has read all others.</summary>
    LastToken,
}
