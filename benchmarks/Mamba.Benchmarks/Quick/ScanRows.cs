using Mamba.Autograd;
using Mamba.Devices;

namespace Mamba.Benchmarks.Quick;

/// <summary>The selective scan of mamba-130m: 1536 channels, 16 states.</summary>
internal static class ScanRows
{
    private const int Length = 2048, Channels = 1536, States = 16;

    public static IEnumerable<QuickRow> All =>
    [
        new("scan forward L2048 D1536 N16", "ns/token·channel·state", () => Measure(backward: false))
        {
            Goal = 0.25,
            LowerIsBetter = true,
        },
        new("scan forward+backward L2048 D1536 N16", "ns/token·channel·state", () => Measure(backward: true))
        {
            LowerIsBetter = true,
        },
    ];

    private static double Measure(bool backward)
    {
        using CpuDevice device = new();
        ScanInputs inputs = new()
        {
            X = Random.Array(device, [1, Length, Channels], -1, 1),
            Delta = Random.Array(device, [1, Length, Channels], -5, -2),
            A = Random.Array(device, [States, Channels], -16, -1),
            B = Random.Array(device, [1, Length, States], -1, 1),
            C = Random.Array(device, [1, Length, States], -1, 1),
            D = Random.Array(device, [Channels], -1, 1),
            Z = Random.Array(device, [1, Length, Channels], -1, 1),
            DeltaBias = Random.Array(device, [Channels], -1, 1),
            Softplus = true,
        };
        double seconds = Timing.Seconds(() =>
        {
            using DeviceScope scope = device.Scope();
            if (!backward)
            {
                Functions.SelectiveScan(inputs);
                return;
            }

            using Tape tape = new(device);
            foreach (DeviceArray input in new[] { inputs.X, inputs.Delta, inputs.A, inputs.B, inputs.C, inputs.D, inputs.Z })
            {
                tape.Watch(input);
            }

            (DeviceArray y, _) = Functions.SelectiveScan(inputs);
            tape.Backward((y, inputs.X));
        });
        return seconds * 1e9 / Length / Channels / States;
    }
}
