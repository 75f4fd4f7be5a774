using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;

namespace Mamba.Benchmarks.Quick;

/// <summary>A training step of one mixer, batch 4, length 512, width 256: its time, and the memory of all its arrays.</summary>
internal static class BlockRows
{
    private const int Batch = 4, Length = 512, Dim = 256;

    public static IEnumerable<QuickRow> All =>
    [
        .. Rows("mamba-1", new MambaMixerOptions { ModelDim = Dim }, 60),
        .. Rows("mamba-2", new Mamba2MixerOptions { ModelDim = Dim, StateDim = 64 }, 55),
    ];

    private static IEnumerable<QuickRow> Rows(string name, MixerOptions options, double goal) =>
    [
        new($"{name} mixer forward+backward B4 L512 D256", "ms", () => OfStep(options, (_, step) => 1e3 * Timing.Seconds(step)))
        {
            Goal = goal,
            LowerIsBetter = true,
        },
        new($"{name} mixer forward+backward, peak memory", "MB", () => OfStep(options, PeakMegabytes)) { LowerIsBetter = true },
    ];

    /// <summary>Memory stays in the device's pool, so this is the largest it was.</summary>
    private static double PeakMegabytes(CpuDevice device, Action step)
    {
        step();
        return device.AllocatedBytes / 1e6;
    }

    private static double OfStep(MixerOptions options, Func<CpuDevice, Action, double> measure)
    {
        using CpuDevice device = new();
        using SequenceMixer mixer = options.Create(device, new System.Random(1), 1);
        DeviceArray x = Random.Array(device, [Batch, Length, Dim], -1, 1);
        return measure(device, () =>
        {
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            tape.Watch(x);
            tape.Backward((mixer.Forward(x), x));
        });
    }
}
