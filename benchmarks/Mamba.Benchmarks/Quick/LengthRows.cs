using System.Diagnostics;
using Mamba.Cpu;
using Mamba.Models;

namespace Mamba.Benchmarks.Quick;

/// <summary>A long text in pieces: whether time is linear in its length, and memory constant.</summary>
internal static class LengthRows
{
    private const int Piece = 2048, Pieces = 64, Layers = 2, Vocabulary = 256, FreshEvery = 8, Short = 16;

    public static IEnumerable<QuickRow> All
    {
        get
        {
            // Two layers of mamba-130m's width and a small vocabulary; more layers would repeat the same work.
            Lazy<(double Ratio, double Megabytes)> measured = new(Measure);
            return
            [
                new("time per token, 131072 tokens / 2048", "ratio", _ => measured.Value.Ratio)
                {
                    Goal = 1.1,
                    LowerIsBetter = true,
                },
                new("memory growth, 2048 -> 131072 tokens", "MB", _ => measured.Value.Megabytes)
                {
                    Goal = 1,
                    LowerIsBetter = true,
                },
            ];
        }
    }

    /// <summary>
    /// Reads the long text, and at times the start of another one, so that both are timed under the same load.
    /// </summary>
    private static (double Ratio, double Megabytes) Measure()
    {
        using CpuDevice device = new();
        LanguageModelConfig config = LanguageModelConfig.Mamba1(768, Layers, Vocabulary);
        using BenchModel longText = new(new(device, config, new Random(1)));
        int[] ids = [.. Enumerable.Range(0, Piece).Select(i => i % Vocabulary)];
        float[] logits = new float[config.PaddedVocabularySize];
        List<double> shortSeconds = [];
        double longSeconds = 0;
        Timing.Seconds(() => longText.Prefill(ids.AsSpan(0, Short))); // until everything is compiled
        longText.Prefill(ids);
        long memory = Memory();
        for (int piece = 1; piece < Pieces; piece++)
        {
            if (piece % FreshEvery == 0)
            {
                shortSeconds.Add(Seconds(Begin));
            }

            longSeconds += Seconds(() => longText.Prefill(ids));
        }

        return (longSeconds / (Pieces - 1) / Timing.Median(shortSeconds), (Memory() - memory) / 1e6);

        void Begin()
        {
            using ModelState state = longText.Model.CreateState();
            longText.Model.Prefill(ids, state, logits);
        }
    }

    /// <summary>The process' private memory after garbage collection.</summary>
    private static long Memory()
    {
        GC.Collect();
        return ProcessMemory.PrivateBytes();
    }

    private static double Seconds(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
