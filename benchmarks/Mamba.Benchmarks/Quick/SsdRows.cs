using Mamba.Autograd;
using Mamba.Devices;

namespace Mamba.Benchmarks.Quick;

/// <summary>The state-space dual of mamba2-130m: 24 heads of 64 channels, 128 states.</summary>
internal static class SsdRows
{
    private const int Heads = 24, HeadDim = 64, States = 128;

    public static IEnumerable<QuickRow> All =>
    [
        Row(16, false), Row(128, false), Row(2048, false), Row(2048, true),
    ];

    private static QuickRow Row(int length, bool backward) => new(
        $"ssd forward{(backward ? "+backward" : "")} L{length} H24 P64 N128",
        "ns/token·channel·state",
        () => Measure(length, backward)) { LowerIsBetter = true };

    private static double Measure(int length, bool backward)
    {
        using CpuDevice device = new();
        SsdInputs inputs = new()
        {
            X = Random.Array(device, [1, length, Heads * HeadDim], -1, 1),
            Delta = Random.Array(device, [1, length, Heads], -5, -2),
            A = Random.Array(device, [Heads], -16, -1),
            B = Random.Array(device, [1, length, States], -1, 1),
            C = Random.Array(device, [1, length, States], -1, 1),
            D = Random.Array(device, [Heads], -1, 1),
            DeltaBias = Random.Array(device, [Heads], -1, 1),
            Softplus = true,
        };
        double seconds = Timing.Seconds(() =>
        {
            using DeviceScope scope = device.Scope();
            if (!backward)
            {
                Functions.Ssd(inputs);
                return;
            }

            using Tape tape = new(device);
            foreach (DeviceArray input in new[] { inputs.X, inputs.Delta, inputs.A, inputs.B, inputs.C, inputs.D })
            {
                tape.Watch(input);
            }

            (DeviceArray y, _) = Functions.Ssd(inputs);
            tape.Backward((y, inputs.X));
        });
        return seconds * 1e9 / length / (Heads * HeadDim) / States;
    }
}
