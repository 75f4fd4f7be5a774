namespace Mamba.Text.Tokenizing;

/// <summary>A token that is found in the text before it is cut into words.</summary>
internal sealed record AddedToken(int Id, string Content)
{
    /// <summary>Whether it is a control token: found only where asked for, and left out of decoded text.</summary>
    public bool IsSpecial { get; init; }

    /// <summary>Whether it is looked for in the normalized text, itself normalized.</summary>
    public bool IsNormalized { get; init; }

    /// <summary>Whether it must not touch a letter or digit.</summary>
    public bool IsSingleWord { get; init; }

    /// <summary>Whether it takes the spaces before it.</summary>
    public bool StripsLeft { get; init; }

    /// <summary>Whether it takes the spaces after it.</summary>
    public bool StripsRight { get; init; }
}
