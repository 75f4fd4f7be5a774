using Mamba.Gpu;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Optimization;

namespace Mamba.Benchmarks.Gpu;

/// <summary>Whole models of the published shapes, in bfloat16.</summary>
internal static class GpuModelRows
{
    private const int Vocabulary = 50277;

    public static IEnumerable<GpuRow> All =>
    [
        new("prefill mamba-370m, 4096 tokens", "ms", bench => Prefill(bench, 1024, 48, 4096))
        {
            Goal = 12,
            LowerIsBetter = true,
        },
        new("decode mamba-130m, greedy", "tokens/s", bench => Decode(bench, 768, 24, 1)) { Goal = 2800 },
        new("decode mamba-370m, greedy", "tokens/s", bench => Decode(bench, 1024, 48, 1)) { Goal = 1400 },
        new("decode mamba-1.4b, greedy", "tokens/s", bench => Decode(bench, 2048, 48, 1)) { Goal = 750 },
        new("decode mamba-2.8b, greedy", "tokens/s", bench => Decode(bench, 2560, 64, 1)) { Goal = 480 },
        new("decode mamba-130m, greedy, batch 64", "tokens/s", bench => Decode(bench, 768, 24, 64))
        {
            Goal = 90_000,
        },
        new("training step mamba-130m, B8 L2048", "ms", bench => Train(bench, 8, 2048))
        {
            Goal = 80,
            LowerIsBetter = true,
        },
    ];

    private static GpuResult Prefill(GpuBench bench, int dim, int layers, int length)
    {
        using GpuDevice device = bench.Open(Precision.BFloat16);
        using MambaLanguageModel model = Model(bench, device, dim, layers);
        using ModelState state = model.CreateState();
        length = bench.Scaled(length);
        int[] ids = [.. Enumerable.Range(0, length)];
        float[] logits = new float[model.Config.PaddedVocabularySize];
        double seconds = GpuBench.Seconds(device, () => model.Prefill(ids, state, logits));

        // The head computes the last position only; the embedding needs no operations.
        double table = model.Embedding.Weight.Value.Shape.Count;
        return new(
            seconds * 1e3, seconds, Bytes(model), 2 * (((model.ParameterCount - table) * length) + table));
    }

    /// <summary>
    /// Steps that find the likeliest tokens, as greedy generation and the engine take them: the chosen tokens come to
    /// the host after each step, the logits do not.
    /// </summary>
    private static GpuResult Decode(GpuBench bench, int dim, int layers, int batch)
    {
        using GpuDevice device = bench.Open(Precision.BFloat16);
        using MambaLanguageModel model = Model(bench, device, dim, layers);
        using ModelState state = model.CreateState(batch);
        int[] ids = new int[batch];
        Likeliest[] likeliest = new Likeliest[batch];
        double seconds = GpuBench.Seconds(device, () =>
        {
            model.Step(ids, state, likeliest);
            for (int i = 0; i < batch; i++)
            {
                ids[i] = likeliest[i].Checked();
            }
        });
        return new(batch / seconds, seconds, Bytes(model), 2.0 * model.ParameterCount * batch);
    }

    private static GpuResult Train(GpuBench bench, int batch, int length)
    {
        using GpuDevice device = bench.Open(Precision.BFloat16);
        LanguageModelConfig config = LanguageModelConfig.Mamba1(768, bench.Scaled(24), Vocabulary);
        using MambaLanguageModel model = new(device, config, random: null);
        GpuBench.Initialize(model);
        using AdamW optimizer = new(model, new());
        (batch, length) = (bench.Scaled(batch), bench.Scaled(length));
        int[] ids = [.. Enumerable.Range(0, batch * length).Select(i => i % Vocabulary)];
        double seconds = GpuBench.Seconds(device, () =>
        {
            using DeviceScope scope = device.Scope();
            using (Autograd.Tape tape = new(device))
            {
                tape.Backward(model.Loss(ids, batch));
            }

            optimizer.Step(1e-9);
            model.ClearGradients();
        });

        // Six operations for each weight and token: Kaplan et al., arXiv:2001.08361, section 2.1.
        return new(seconds * 1e3, seconds, 0, 6.0 * model.ParameterCount * batch * length);
    }

    private static MambaLanguageModel Model(GpuBench bench, GpuDevice device, int dim, int layers)
    {
        MambaLanguageModel model = new(
            device, LanguageModelConfig.Mamba1(dim, bench.Scaled(layers), Vocabulary), random: null);
        GpuBench.Initialize(model);
        model.Narrow();
        return model;
    }

    private static double Bytes(MambaLanguageModel model) =>
        model.Parameters.Sum(named => (double)named.Parameter.Value.Storage.Bytes);
}
