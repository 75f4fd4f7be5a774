using Mamba.Models.Generation;

namespace Mamba.Text;

/// <summary>A piece of a generated text.</summary>
/// <param name="Text">The text; it may be empty.</param>
/// <param name="Tokens">The tokens whose text is complete with this piece; there may be none.</param>
public readonly record struct TextPiece(string Text, IReadOnlyList<GeneratedToken> Tokens);
