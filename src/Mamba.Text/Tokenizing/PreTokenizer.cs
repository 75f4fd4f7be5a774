namespace Mamba.Text.Tokenizing;

/// <summary>A stage that cuts words into smaller ones or rewrites them.</summary>
internal abstract class PreTokenizer
{
    /// <summary>Applies the stage to all words.</summary>
    public abstract void Apply(Pieces pieces);
}
