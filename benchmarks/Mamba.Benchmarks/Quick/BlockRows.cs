using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;

namespace Mamba.Benchmarks.Quick;

/// <summary>A training step of one mixer: batch 4, length 512, width 256.</summary>
internal static class BlockRows
{
    private const int Batch = 4, Length = 512, Dim = 256;

    public static IEnumerable<QuickRow> All =>
    [
        new("mamba-1 mixer forward+backward B4 L512 D256", "ms", () => Measure(new MambaMixerOptions { ModelDim = Dim }))
        {
            LowerIsBetter = true,
        },
        new(
            "mamba-2 mixer forward+backward B4 L512 D256",
            "ms",
            () => Measure(new Mamba2MixerOptions { ModelDim = Dim, StateDim = 64 })) { LowerIsBetter = true },
    ];

    private static double Measure(MixerOptions options)
    {
        using CpuDevice device = new();
        using SequenceMixer mixer = options.Create(device, new System.Random(1), 1);
        DeviceArray x = Random.Array(device, [Batch, Length, Dim], -1, 1);
        return 1e3 * Timing.Seconds(() =>
        {
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            tape.Watch(x);
            tape.Backward((mixer.Forward(x), x));
        });
    }
}
