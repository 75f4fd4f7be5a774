namespace Mamba.Models.Serving;

/// <summary>A prompt has more tokens than a <see cref="MambaEngine"/> reads.</summary>
/// <param name="tokens">The tokens of the prompt.</param>
/// <param name="most">Most tokens that are read: <see cref="EngineOptions.MaxPromptTokens"/>.</param>
public sealed class PromptTooLongException(int tokens, int most)
    : ArgumentException($"Expected a prompt of at most {most} tokens; found {tokens}.");
