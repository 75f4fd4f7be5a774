namespace Mamba.Devices;

public abstract partial class Device
{
    /// <summary>Computes causal attention: a token sees what came before its sequence, and its sequence up to itself.</summary>
    internal abstract void Attention(in AttentionInputs inputs, Segments? segments, DeviceArray y);

    /// <summary>Adds to the gradients of attention.</summary>
    internal abstract void AttentionBackward(
        in AttentionInputs inputs, Segments? segments, DeviceArray gy, in AttentionGradients gradients);

    /// <summary>Turns pairs of entries by their token's position; backwards when <paramref name="inverse"/>.</summary>
    internal abstract void Rotary(
        DeviceArray x, RotaryOptions options, Segments? segments, bool inverse, DeviceArray y);
}
