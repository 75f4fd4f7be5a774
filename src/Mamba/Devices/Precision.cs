namespace Mamba.Devices;

/// <summary>How the numbers of an array are stored. Sums, states and gradients are float32 on every device.</summary>
public enum Precision
{
    /// <summary>IEEE 754 single precision.</summary>
    Float32,

    /// <summary>The upper half of a float32: its range, with eight bits of precision.</summary>
    BFloat16,
}

internal static class PrecisionExtensions
{
    /// <summary>Bytes of an element.</summary>
    public static int Size(this Precision precision) => precision == Precision.Float32 ? sizeof(float) : sizeof(ushort);
}
