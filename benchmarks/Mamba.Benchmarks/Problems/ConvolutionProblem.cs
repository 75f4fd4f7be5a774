using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Benchmarks.Problems;

/// <summary>The causal convolution of mamba-130m with four taps, from seeded values.</summary>
/// <param name="X">The input, [1, length, channels].</param>
/// <param name="Weight">The taps, [4, channels].</param>
/// <param name="Bias">The bias, [channels].</param>
internal sealed record ConvolutionProblem(DeviceArray X, DeviceArray Weight, DeviceArray Bias)
{
    public const int Channels = 1536, Width = 4;

    public static ConvolutionProblem Of(Device device, int length) => new(
        Seeded.Array(device, [1, length, Channels], -1, 1),
        Seeded.Array(device, [Width, Channels], -0.5, 0.5, seed: 2),
        Seeded.Array(device, [Channels], -0.5, 0.5, seed: 3));
}
