using Mamba.Devices;
using Mamba.Models;

namespace Mamba.Benchmarks.Quick;

/// <summary>Models of the shape of mamba-130m and mamba2-130m with random weights, in float32.</summary>
internal static class ModelRows
{
    private const int Dim = 768, Layers = 24, Vocabulary = 50277, Decoded = 8;

    public static IEnumerable<QuickRow> All =>
    [
        new("mamba-130m prefill 512", "tokens/s", () => Prefill(Mamba1, 512)) { Goal = 700 },
        new("mamba-130m prefill 2048", "tokens/s", () => Prefill(Mamba1, 2048)),
        new("mamba-130m decode", "tokens/s", () => Decode(Mamba1)) { Goal = 35 },
        new("mamba2-130m prefill 512", "tokens/s", () => Prefill(Mamba2, 512)),
        new("mamba2-130m prefill 2048", "tokens/s", () => Prefill(Mamba2, 2048)),
        new("mamba2-130m decode", "tokens/s", () => Decode(Mamba2)),
    ];

    private static LanguageModelConfig Mamba1 => LanguageModelConfig.Mamba1(Dim, Layers, Vocabulary);

    private static LanguageModelConfig Mamba2 => LanguageModelConfig.Mamba2(Dim, Layers, Vocabulary);

    private static double Prefill(LanguageModelConfig config, int length)
    {
        using CpuDevice device = new();
        using MambaLanguageModel model = new(device, config, new System.Random(1));
        using ModelState state = model.CreateState();
        int[] ids = [.. Enumerable.Range(0, length)];
        float[] logits = new float[config.PaddedVocabularySize];
        return length / Timing.Seconds(() => model.Prefill(ids, state, logits));
    }

    private static double Decode(LanguageModelConfig config)
    {
        using CpuDevice device = new();
        using MambaLanguageModel model = new(device, config, new System.Random(1));
        using ModelState state = model.CreateState();
        int[] id = [1];
        float[] logits = new float[config.PaddedVocabularySize];
        return Decoded / Timing.Seconds(() =>
        {
            for (int i = 0; i < Decoded; i++)
            {
                model.Step(id, state, logits);
            }
        });
    }
}
