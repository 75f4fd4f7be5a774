using Mamba.Devices;
using Mamba.Operations;

namespace Mamba.Benchmarks.Problems;

/// <summary>A selective scan of one sequence with mamba-130m's channels and states, from seeded values.</summary>
internal static class ScanProblem
{
    public const int Channels = 1536, States = 16;

    /// <summary>The scan of the model: with softplus of Δ and its bias, the skip D and the gate.</summary>
    public static ScanInputs Whole(Device device, int length) => Core(device, length) with
    {
        Delta = Seeded.Array(device, [1, length, Channels], -5, -2),
        D = Seeded.Array(device, [Channels], -1, 1, seed: 5),
        Z = Seeded.Array(device, [1, length, Channels], -1, 1, seed: 6),
        DeltaBias = Seeded.Array(device, [Channels], -1, 1, seed: 7),
        Softplus = true,
    };

    /// <summary>The recurrence alone.</summary>
    public static ScanInputs Core(Device device, int length) => new()
    {
        X = Seeded.Array(device, [1, length, Channels], -1, 1, seed: 1),
        Delta = Seeded.Array(device, [1, length, Channels], 0.001, 0.1, seed: 2),
        A = Seeded.Array(device, [States, Channels], -16, -1),
        B = Seeded.Array(device, [1, length, States], -1, 1, seed: 3),
        C = Seeded.Array(device, [1, length, States], -1, 1, seed: 4),
    };
}
