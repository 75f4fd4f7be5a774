namespace Mamba.Text.Templates;

/// <summary>A token of a template and where it begins.</summary>
internal readonly record struct Token(TokenKind Kind, string Text, Position Position)
{
    /// <summary>Whether it is this operator, or this name.</summary>
    public bool Is(TokenKind kind, string text) => Kind == kind && Text == text;
}
