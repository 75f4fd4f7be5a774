namespace Mamba.Models.Generation;

/// <summary>Why a text ended.</summary>
public enum FinishReason
{
    /// <summary>
    /// At a stop token or a stop sequence, where a stop rule ends it, or where its constraint allows no more.
    /// </summary>
    Stop,

    /// <summary>After <see cref="GenerationOptions.MaxTokens"/> tokens.</summary>
    Length,
}
