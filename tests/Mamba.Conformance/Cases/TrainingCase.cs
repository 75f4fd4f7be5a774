using System.Text.Json;
using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Checkpoints;
using Mamba.Optimization;

namespace Mamba.Conformance.Cases;

/// <summary>Some steps of AdamW from a checkpoint, on one batch.</summary>
internal static class TrainingCase
{
    public static void Run(Device device, Golden golden, Report report)
    {
        using MambaLanguageModel model = MambaLanguageModel.Load(FolderOfWeights(golden), device);
        List<NamedWeight> weights = [.. WeightNames.Of(model, EmbeddingName(golden))];
        double[] rates = golden["out.lr"].Values, betas = Betas(golden);
        AdamWOptions options = new()
        {
            Beta1 = betas[0],
            Beta2 = betas[1],
            Epsilon = golden.Number("eps", 1e-8),
            WeightDecay = golden.Number("weight_decay", 0.01),
        };
        using AdamW optimizer = new(model, options, Groups(golden, weights));
        double clip = golden.Number("grad_clip_global_norm", 0);
        int[] ids = golden.Integers("in.input_ids");
        int batch = golden.Shape("in.input_ids")[0];
        double[] losses = new double[rates.Length], norms = new double[rates.Length];
        for (int step = 0; step < rates.Length; step++)
        {
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            DeviceArray loss = model.Loss(ids, batch);
            losses[step] = loss.ToArray()[0];
            tape.Backward(loss);
            norms[step] = clip > 0 ? Gradients.Clip(model, clip) : Gradients.Norm(model);
            optimizer.Step(rates[step]);
        }

        report.Compare("loss", new([losses.Length], losses), golden["out.loss"], Bounds.TrainingLoss);
        if (golden.Has("out.grad_norm"))
        {
            report.Compare("grad_norm", new([norms.Length], norms), golden["out.grad_norm"], Bounds.ModelGradient);
        }

        using DeviceScope last = device.Scope();
        report.Compare(
            "final_loss", Nd.From(model.Loss(ids, batch)), golden["out.final_loss"], Bounds.TrainingFinalLoss);
        CompareWeights(golden, report, weights);
    }

    private static void CompareWeights(Golden golden, Report report, List<NamedWeight> weights)
    {
        double total = 0;
        foreach (NamedWeight weight in weights)
        {
            double[] values = Array.ConvertAll(weight.Export(weight.Parameter.Value), value => (double)value);
            double squares = values.Sum(value => value * value);
            total += squares;
            if (golden.Has($"out.final.{weight.Name}"))
            {
                report.Compare(
                    weight.Name, new(weight.Shape, values), golden[$"out.final.{weight.Name}"], Bounds.TrainingWeights);
            }

            if (golden.Has($"out.param_norm.{weight.Name}"))
            {
                report.Compare(
                    $"norm of {weight.Name}",
                    new([1], [Math.Sqrt(squares)]),
                    golden[$"out.param_norm.{weight.Name}"],
                    Bounds.TrainingWeights);
            }
        }

        if (golden.Has("out.total_norm"))
        {
            report.Compare(
                "total_norm", new([1], [Math.Sqrt(total)]), golden["out.total_norm"], Bounds.TrainingWeights);
        }
    }

    /// <summary>The folder lm/NAME beside the case's own, which the metadata ends with.</summary>
    private static string FolderOfWeights(Golden golden)
    {
        string text = golden.Metadata.GetValueOrDefault("init_weights")
            ?? throw new InvalidDataException("The metadata have no init_weights.");
        int start = text.LastIndexOf("lm/", StringComparison.Ordinal);
        return start >= 0
            ? Path.Combine(Path.GetDirectoryName(golden.Path)!, "..", text[start..].TrimEnd('/', ' ', '.'))
            : throw new InvalidDataException($"init_weights is \"{text}\"; expected it to end with lm/NAME.");
    }

    private static string EmbeddingName(Golden golden) =>
        golden.Names.Any(name => name.EndsWith(WeightNames.OriginalEmbedding, StringComparison.Ordinal))
            ? WeightNames.OriginalEmbedding
            : WeightNames.Embedding;

    private static double[] Betas(Golden golden) =>
        golden.Options.TryGetProperty("betas", out JsonElement betas)
            ? [betas[0].GetDouble(), betas[1].GetDouble()]
            : [0.9, 0.999];

    /// <summary>"all parameters", or "none on NAME, NAME, ...": whole names, or their endings inside layers.</summary>
    private static Func<string, Layers.Parameter, ParameterGroup> Groups(Golden golden, List<NamedWeight> weights)
    {
        const string None = "none on ";
        string groups = golden.Text("weight_decay_groups") ?? "all parameters";
        if (groups == "all parameters")
        {
            return (_, _) => new(Decays: true);
        }

        if (!groups.StartsWith(None, StringComparison.Ordinal))
        {
            throw new InvalidDataException($"weight_decay_groups is \"{groups}\", which is not documented.");
        }

        string[] names = groups[None.Length..].Split(',', StringSplitOptions.TrimEntries);
        HashSet<Layers.Parameter> exempt =
        [
            .. weights
                .Where(weight => names.Any(name =>
                    weight.Name == name || weight.Name.EndsWith($".{name}", StringComparison.Ordinal)))
                .Select(weight => weight.Parameter),
        ];
        return (_, parameter) => new(Decays: !exempt.Contains(parameter));
    }
}
