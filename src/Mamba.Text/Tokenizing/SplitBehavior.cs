namespace Mamba.Text.Tokenizing;

/// <summary>What becomes of a match when a word is cut at it.</summary>
internal enum SplitBehavior
{
    /// <summary>It is left out.</summary>
    Removed,

    /// <summary>It becomes a word.</summary>
    Isolated,

    /// <summary>It belongs to the word before it.</summary>
    MergedWithPrevious,

    /// <summary>It belongs to the word after it.</summary>
    MergedWithNext,

    /// <summary>It becomes a word together with the matches that touch it.</summary>
    Contiguous,
}
