using Mamba.Models.Generation;

namespace Mamba.Text;

/// <summary>A piece of a generated text.</summary>
/// <param name="Text">The text; it may be empty.</param>
/// <param name="Tokens">The tokens whose text is complete with this piece; there may be none.</param>
/// <example>
/// <code>
/// GeneratedText text = new(tokenizer);
/// await foreach (GeneratedToken token in model.GenerateTokensAsync(prompt, new()))
/// {
///     TextPiece piece = text.Append(token);                             // empty while a character is incomplete
///     Console.Write(piece.Text);
/// }
/// </code>
/// </example>
public readonly record struct TextPiece(string Text, IReadOnlyList<GeneratedToken> Tokens);
