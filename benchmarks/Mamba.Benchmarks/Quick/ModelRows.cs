using Mamba.Memory;
using Mamba.Models;

namespace Mamba.Benchmarks.Quick;

/// <summary>
/// Models with the shapes of mamba-130m and mamba2-130m and random weights, in float32 and lower precisions.
/// </summary>
internal static class ModelRows
{
    private const int Vocabulary = 50277, Decoded = 8, Conversations = 8;

    public static LanguageModelConfig Mamba1 { get; } = LanguageModelConfig.Mamba1(768, 24, Vocabulary);

    public static LanguageModelConfig Mamba2 { get; } = LanguageModelConfig.Mamba2(768, 24, Vocabulary);

    public static IEnumerable<QuickRow> All =>
    [
        .. Rows("mamba-130m", Mamba1, 46),
        .. NarrowRows("mamba-130m", Mamba1, 88, 165, 230),
        .. Rows("mamba2-130m", Mamba2, 42),
        .. NarrowRows("mamba2-130m", Mamba2, 80, 140, 180),
    ];

    private static IEnumerable<QuickRow> Rows(string name, LanguageModelConfig config, double decodeGoal) =>
    [
        new($"{name} prefill 512", "tokens/s", bench => Prefill(bench.Model(name, config), 512)) { Goal = 1200 },
        new($"{name} prefill 2048", "tokens/s", bench => Prefill(bench.Model(name, config), 2048)) { Goal = 1200 },
        new($"{name} decode float32", "tokens/s", bench => Decode(bench.Model(name, config))) { Goal = decodeGoal },
        new($"{name} decode, managed allocation", "bytes/token", bench => Allocation(bench.Model(name, config)))
        {
            Goal = 0,
            LowerIsBetter = true,
        },
    ];

    private static IEnumerable<QuickRow> NarrowRows(
        string name, LanguageModelConfig config, double bfloat16, double int8, double int4) =>
    [
        Row(name, config, Precision.BFloat16, bfloat16),
        new(
            $"{name} decode bfloat16, 8 conversations against 1",
            "times",
            bench => Batched(bench.Model(name, config, Precision.BFloat16)))
        {
            Goal = 4,
        },
        Row(name, config, Precision.Int8, int8),
        Row(name, config, Precision.Int4, int4),
    ];

    private static QuickRow Row(string name, LanguageModelConfig config, Precision precision, double goal) => new(
        $"{name} decode {precision.ToString().ToLowerInvariant()}",
        "tokens/s",
        bench => Decode(bench.Model(name, config, precision)))
    {
        Goal = goal,
    };

    private static double Prefill(BenchModel model, int length)
    {
        int[] ids = [.. Enumerable.Range(0, length)];
        return length / Timing.Seconds(() => model.Prefill(ids));
    }

    private static double Decode(BenchModel model) => Decoded / Timing.Seconds(() => Decode(model, Decoded));

    private static void Decode(BenchModel model, int count)
    {
        for (int i = 0; i < count; i++)
        {
            model.Step();
        }
    }

    /// <summary>The minimum of some runs: a garbage collection is charged to the thread that it interrupts.</summary>
    private static double Allocation(BenchModel model)
    {
        Decode(model, 2); // fills the device's pool
        long least = long.MaxValue;
        for (int run = 0; run < 3; run++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Decode(model, Decoded);
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return (double)least / Decoded;
    }

    /// <summary>Speedup of decoding in tokens per second if a step has several texts.</summary>
    private static double Batched(BenchModel one)
    {
        using BenchModel many = new(one.Model, Conversations);
        return Conversations * Timing.Alternating(one.Step, many.Step).Ratio;
    }
}
