namespace Mamba.Kernels;

/// <summary>The filters of a depthwise convolution, one for each channel.</summary>
/// <param name="weight">w, [width, channels].</param>
/// <param name="bias">[channels], or null.</param>
/// <param name="width">K, the number of taps.</param>
/// <param name="left">Tokens from the first tap to the output: K - 1 if causal.</param>
/// <param name="channels">Number of channels.</param>
internal readonly unsafe struct Filter(float* weight, float* bias, int width, int left, int channels)
{
    public float* Bias { get; } = bias;

    public int Width { get; } = width;

    public int Left { get; } = left;

    public int Channels { get; } = channels;

    /// <summary>The weights of tap <paramref name="k"/>.</summary>
    public float* this[int k] => weight + ((nint)k * Channels);
}
