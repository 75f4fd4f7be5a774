namespace Mamba.Devices;

/// <summary>How the numbers of an array are stored. Sums, states and gradients are float32 on every device.</summary>
public enum Precision
{
    /// <summary>IEEE 754 single precision.</summary>
    Float32,

    /// <summary>The upper half of a float32: its range, with eight bits of precision.</summary>
    BFloat16,
}
