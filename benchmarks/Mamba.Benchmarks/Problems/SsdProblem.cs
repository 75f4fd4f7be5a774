using Mamba.Devices;
using Mamba.Operations;

namespace Mamba.Benchmarks.Problems;

/// <summary>An SSD of one sequence with mamba2-130m's heads and states, from seeded values.</summary>
internal static class SsdProblem
{
    public const int Heads = 24, HeadDim = 64, States = 128, Channels = Heads * HeadDim;

    /// <summary>The SSD of the model: with softplus of Δ and its bias, and the skip D.</summary>
    public static SsdInputs Whole(Device device, int length) => Core(device, length) with
    {
        Delta = Seeded.Array(device, [1, length, Heads], -5, -2),
        D = Seeded.Array(device, [Heads], -1, 1, seed: 5),
        DeltaBias = Seeded.Array(device, [Heads], -1, 1, seed: 6),
        Softplus = true,
    };

    /// <summary>The recurrence alone.</summary>
    public static SsdInputs Core(Device device, int length) => new()
    {
        X = Seeded.Array(device, [1, length, Channels], -1, 1, seed: 1),
        Delta = Seeded.Array(device, [1, length, Heads], 0.001, 0.1, seed: 2),
        A = Seeded.Array(device, [Heads], -16, -1),
        B = Seeded.Array(device, [1, length, States], -1, 1, seed: 3),
        C = Seeded.Array(device, [1, length, States], -1, 1, seed: 4),
    };
}
