namespace Mamba.Models.Checkpoints;

/// <summary>How a parameter's elements stand in a checkpoint, compared with here, where channels are fastest.</summary>
internal enum WeightLayout
{
    /// <summary>The same.</summary>
    Same,

    /// <summary>[channels, states] there, [states, channels] here.</summary>
    Transposed,

    /// <summary>[channels, 1, width] there, [width, channels] here.</summary>
    Convolution,
}
