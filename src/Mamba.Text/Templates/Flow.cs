namespace Mamba.Text.Templates;

/// <summary>How a statement ends.</summary>
internal enum Flow
{
    /// <summary>The next one follows.</summary>
    Next,

    /// <summary>The loop goes on with its next item.</summary>
    Continue,

    /// <summary>The loop ends.</summary>
    Break,
}
