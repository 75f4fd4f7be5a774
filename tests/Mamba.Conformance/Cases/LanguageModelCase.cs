using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Checkpoints;

namespace Mamba.Conformance.Cases;

/// <summary>A published-format checkpoint: residual stream, logits, loss, gradients, and greedy continuation.</summary>
internal static class LanguageModelCase
{
    public static void Run(Device device, Golden golden, Report report)
    {
        using MambaLanguageModel model = MambaLanguageModel.Load(Path.GetDirectoryName(golden.Path)!, device);
        int[] ids = golden.Integers("in.input_ids");
        int batch = golden.Shape("in.input_ids")[0];
        CompareStream(device, golden, report, model, ids, batch);
        if (golden.Has("out.padded_logits"))
        {
            CompareUnpadded(device, golden, report, model);
        }

        CompareGradients(device, golden, report, model, ids, batch);
        if (golden.Has("greedy.tokens"))
        {
            CompareGreedy(golden, report, model);
        }
    }

    private static void CompareStream(
        Device device, Golden golden, Report report, MambaLanguageModel model, int[] ids, int batch)
    {
        using DeviceScope scope = device.Scope();
        DeviceArray embeddings = model.Embed(ids, batch);
        ResidualStream h = new(embeddings, default, embeddings);
        int layers = 0;
        while (golden.Has($"out.hidden.{layers}"))
        {
            layers++;
        }

        // A layer of most hybrids is two blocks: a mixer of tokens and one of channels.
        int blocks = Math.Max(model.Blocks.Count / Math.Max(layers, 1), 1);
        for (int i = 0; i < model.Blocks.Count; i++)
        {
            h = model.Blocks[i].Forward(h);
            string name = $"hidden.{((i + 1) / blocks) - 1}";
            if ((i + 1) % blocks == 0 && golden.Has($"out.{name}"))
            {
                report.Compare(name, Nd.From(h.Sum()), golden[$"out.{name}"], Bounds.Model);
            }
        }

        if (golden.Has("out.hidden.final"))
        {
            report.Compare(
                "hidden final", Nd.From(model.FinalNorm.Forward(h).Y), golden["out.hidden.final"], Bounds.Model);
        }

        report.Compare("logits", Nd.From(model.Forward(ids, batch)), golden["out.logits"], Bounds.Model);
    }

    /// <summary>Text after padding on the left gives what it gives alone, so it is computed alone.</summary>
    private static void CompareUnpadded(Device device, Golden golden, Report report, MambaLanguageModel model)
    {
        int[] ids = golden.Integers("in.padded_input_ids"), mask = golden.Integers("in.attention_mask");
        Nd expected = golden["out.padded_logits"];
        int length = ids.Length / expected.Shape[0], vocabulary = expected.Shape[2];
        for (int row = 0; row < expected.Shape[0]; row++)
        {
            int start = (row * length) + mask.AsSpan(row * length, length).IndexOf(1), end = (row + 1) * length;
            using DeviceScope scope = device.Scope();
            report.Compare(
                $"logits of row {row} without padding",
                Nd.From(model.Forward(ids.AsSpan(start..end))),
                new([1, end - start, vocabulary], expected.Values[(start * vocabulary)..(end * vocabulary)]),
                Bounds.Model);
        }
    }

    private static void CompareGradients(
        Device device, Golden golden, Report report, MambaLanguageModel model, int[] ids, int batch)
    {
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        DeviceArray loss = model.Loss(ids, batch);
        report.Compare("loss", Nd.From(loss), golden["out.loss"], Bounds.Model);
        tape.Backward(loss);
        if (model.Published is { } published)
        {
            foreach ((string name, int[] shape) in published.All.Where(tensor => golden.Has($"grad.{tensor.Name}")))
            {
                float[] gradient = published.Export(name, parameter => parameter.Gradient);
                report.Compare(
                    $"grad {name}",
                    new(shape, Array.ConvertAll(gradient, value => (double)value)),
                    golden[$"grad.{name}"],
                    Bounds.ModelGradient);
            }

            return;
        }

        string embedding = golden.Has($"grad.{WeightNames.OriginalEmbedding}")
            ? WeightNames.OriginalEmbedding
            : WeightNames.Embedding;
        foreach (NamedWeight weight in WeightNames.Of(model, embedding))
        {
            if (golden.Has($"grad.{weight.Name}"))
            {
                double[] gradient =
                    Array.ConvertAll(weight.Export(weight.Parameter.Gradient), value => (double)value);
                report.Compare(
                    $"grad {weight.Name}",
                    new(weight.Shape, gradient),
                    golden[$"grad.{weight.Name}"],
                    Bounds.ModelGradient);
            }
        }
    }

    private static void CompareGreedy(Golden golden, Report report, MambaLanguageModel model)
    {
        int[] expected = golden.Integers("greedy.tokens");
        int[] tokens = new int[expected.Length];
        int vocabulary = golden.Shape("greedy.logits")[1];
        float[] logits = new float[model.Config.PaddedVocabularySize];
        double[] all = new double[tokens.Length * vocabulary];
        using ModelState state = model.CreateState();
        model.Prefill(golden.Integers("greedy.prompt"), state, logits);
        for (int i = 0; i < tokens.Length; i++)
        {
            Span<float> row = logits.AsSpan(0, vocabulary);
            for (int v = 0; v < vocabulary; v++)
            {
                all[(i * vocabulary) + v] = row[v];
            }

            tokens[i] = System.Numerics.Tensors.TensorPrimitives.IndexOfMax(row);
            model.Step([expected[i]], state, logits); // so that one other choice does not change all that follows
        }

        report.Compare("greedy tokens", tokens, expected);
        report.Compare("greedy logits", new([tokens.Length, vocabulary], all), golden["greedy.logits"], Bounds.Model);
    }
}
