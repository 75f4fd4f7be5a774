namespace Mamba.Models.Gguf;

/// <summary>How a weight of a Hugging Face checkpoint is changed in a GGUF file; the order of elements stays.</summary>
internal enum GgufLayout
{
    /// <summary>The same.</summary>
    Same,

    /// <summary>[channels, 1, width] becomes [channels, width].</summary>
    Convolution,

    /// <summary>A vector becomes a column.</summary>
    Column,

    /// <summary>A vector becomes a matrix with one row for each group of channels.</summary>
    Groups,

    /// <summary>log(-A) becomes A.</summary>
    A,

    /// <summary>log(-A), a vector, becomes A, a column.</summary>
    AColumn,
}
