namespace Mamba.Models.Checkpoints;

/// <summary>The layout of a parameter in a checkpoint, relative to its layout here, with channels fastest.</summary>
internal enum WeightLayout
{
    /// <summary>The same.</summary>
    Same,

    /// <summary>[channels, states] there, [states, channels] here.</summary>
    Transposed,

    /// <summary>[channels, 1, width] there, [width, channels] here.</summary>
    Convolution,
}
