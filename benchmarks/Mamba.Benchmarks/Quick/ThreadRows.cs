using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Models;

namespace Mamba.Benchmarks.Quick;

/// <summary>Speedup of two threads over one.</summary>
internal static class ThreadRows
{
    private const int Length = 512, Layers = 4;

    public static IEnumerable<QuickRow> All =>
    [
        // Some layers of these widths and a small vocabulary; more layers would repeat the same work.
        Row("prefill 512 of mamba-130m's layers", () => Prefill(LanguageModelConfig.Mamba1(768, Layers, 256))),
        Row("prefill 512 of mamba2-130m's layers", () => Prefill(LanguageModelConfig.Mamba2(768, Layers, 256))),
        Row("training, mamba-1 mixer B4 L512 D256", () => Training(BlockTraining.Mamba1)),
        Row("training, mamba-2 mixer B4 L512 D256", () => Training(BlockTraining.Mamba2)),
    ];

    private static QuickRow Row(string work, Func<PairedTimes> measure) =>
        new($"2 threads against 1, {work}", "times", _ => measure().Ratio) { Goal = 1.85 };

    private static PairedTimes Prefill(LanguageModelConfig config)
    {
        using CpuDevice oneDevice = new(threads: 1), twoDevice = new(threads: 2);
        using BenchModel one = new(new(oneDevice, config, new Random(1)));
        using BenchModel two = new(new(twoDevice, config, new Random(1)));
        int[] ids = new int[Length];
        return Timing.Alternating(() => one.Prefill(ids), () => two.Prefill(ids));
    }

    private static PairedTimes Training(MixerOptions options)
    {
        using BlockTraining one = new(options, threads: 1), two = new(options, threads: 2);
        return Timing.Alternating(one.Step, two.Step);
    }
}
