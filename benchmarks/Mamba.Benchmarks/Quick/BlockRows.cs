using Mamba.Layers;

namespace Mamba.Benchmarks.Quick;

/// <summary>Time of a training step of one mixer, and memory of all its arrays.</summary>
internal static class BlockRows
{
    public static IEnumerable<QuickRow> All =>
    [
        .. Rows("mamba-1", BlockTraining.Mamba1, 36),
        .. Rows("mamba-2", BlockTraining.Mamba2, 42),
    ];

    private static IEnumerable<QuickRow> Rows(string name, MixerOptions options, double goal) =>
    [
        new($"{name} mixer forward+backward B4 L512 D256", "ms", _ => Milliseconds(options))
        {
            Goal = goal,
            LowerIsBetter = true,
        },
        new($"{name} mixer forward+backward, peak memory", "MB", _ => PeakMegabytes(options)) { LowerIsBetter = true },
    ];

    private static double Milliseconds(MixerOptions options)
    {
        using BlockTraining training = new(options);
        return 1e3 * Timing.Seconds(training.Step);
    }

    /// <summary>The device's pool keeps its memory, so its size at the end is the peak.</summary>
    private static double PeakMegabytes(MixerOptions options)
    {
        using BlockTraining training = new(options);
        training.Step();
        return training.Device.AllocatedBytes / 1e6;
    }
}
