namespace Mamba.Models.Gguf;

/// <summary>The name of a weight in GGUF files and in Hugging Face checkpoints.</summary>
/// <param name="Gguf">The name in a GGUF file.</param>
/// <param name="HuggingFace">The name in a Hugging Face checkpoint.</param>
/// <param name="Layout">How the weight is changed in a GGUF file.</param>
internal sealed record GgufName(string Gguf, string HuggingFace, GgufLayout Layout = GgufLayout.Same)
{
    /// <summary>Whether the values are A instead of log(-A).</summary>
    public bool IsA => Layout is GgufLayout.A or GgufLayout.AColumn;

    /// <summary>The shape in a GGUF file, the last axis fastest, from that in a Hugging Face checkpoint.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="groups">Number of groups of channels of the layer.</param>
    public long[] ShapeOf(int[] shape, int groups) => Layout switch
    {
        GgufLayout.Convolution => [shape[0], shape[2]],
        GgufLayout.Column or GgufLayout.AColumn => [shape[0], 1],
        GgufLayout.Groups => [groups, shape[0] / groups],
        _ => Array.ConvertAll(shape, size => (long)size),
    };
}
