using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Gguf;

namespace Mamba.Conformance.Cases;

/// <summary>A GGUF file: every tensor to the bit, residual stream, logits, and greedy continuation.</summary>
internal static class GgufModelCase
{
    private const string Suffix = ".expected.safetensors";

    /// <summary>Why a model is not run; null: it is.</summary>
    public static string? SkipReason(string path)
    {
        using Golden golden = new(path);
        return golden.Op != "gguf" || GgufArchitecture.All.Any(known => known.Name == golden.Text("architecture"))
            ? null
            : $"GGUF of {golden.Text("architecture")} is not read yet";
    }

    public static void Run(Device device, Golden golden, Report report)
    {
        string path = golden.Path[..^Suffix.Length] + ".gguf";
        using (GgufFile file = GgufFile.Open(path))
        {
            CompareTensors(file, golden, report);
        }

        using MambaLanguageModel model = MambaLanguageModel.Load(path, device);
        int[] ids = golden.Integers("in.input_ids");
        double bound = BoundOf(golden);
        using (device.Scope())
        {
            // A layer of the file may be two here: a mixer and a channel mixer.
            int layers = golden.Names.Count(name => name.StartsWith("out.hidden.", StringComparison.Ordinal));
            int together = model.Blocks.Count / layers;
            DeviceArray h = model.Embed(ids);
            for (int i = 0; i < model.Blocks.Count; i++)
            {
                h = model.Blocks[i].Forward(h);
                if ((i + 1) % together == 0)
                {
                    report.Compare(
                        $"hidden {i / together}", Nd.From(h), golden[$"out.hidden.{i / together}"], bound);
                }
            }
        }

        Nd logits = CompareLogits(device, model, ids, golden, report);
        using MambaLanguageModel wide = MambaLanguageModel.Load(path, device, precision: Precision.Float32);
        report.Check("the bits of widened weights", Logits(device, wide, ids).Values.SequenceEqual(logits.Values));
        CompareGreedy(golden, report, model);
        CompareSaved(device, wide, ids, golden, report);
    }

    /// <summary>Saves a model, loads the file, and compares its logits with the expected ones.</summary>
    private static void CompareSaved(
        Device device, MambaLanguageModel model, int[] ids, Golden golden, Report report)
    {
        string path = Path.Combine(Path.GetTempPath(), $"{Path.GetRandomFileName()}.gguf");
        try
        {
            model.SaveGguf(path);
            using MambaLanguageModel loaded = MambaLanguageModel.Load(path, device);
            report.Compare("saved", Logits(device, loaded, ids), golden["out.logits"], BoundOf(golden));
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>Compares the logits of a model with those of a file.</summary>
    public static Nd CompareLogits(
        Device device, MambaLanguageModel model, int[] ids, Golden golden, Report report, int batch = 1)
    {
        Nd logits = Logits(device, model, ids, batch);
        report.Compare("logits", logits, golden["out.logits"], BoundOf(golden));
        return logits;
    }

    /// <summary>Mixtures of experts have a wider bound.</summary>
    private static double BoundOf(Golden golden) =>
        golden.Number("router_min_gap", 0) > 0 ? 2 * Bounds.Gguf : Bounds.Gguf;

    private static Nd Logits(Device device, MambaLanguageModel model, int[] ids, int batch = 1)
    {
        using DeviceScope scope = device.Scope();
        return Nd.From(model.Forward(ids, batch));
    }

    private static void CompareTensors(GgufFile file, Golden golden, Report report)
    {
        using JsonDocument hashes = JsonDocument.Parse(golden.Metadata["sha256_dequantised"]);
        report.Check("names of tensors", hashes.RootElement.EnumerateObject().Count() == file.Tensors.Count);
        foreach (GgufTensor tensor in file.Tensors.Values)
        {
            float[] values = new float[tensor.Count];
            file.Read(tensor.Name, values);
            string hash = Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(values.AsSpan())));
            report.Check($"bits of {tensor.Name}", hash == hashes.RootElement.GetProperty(tensor.Name).GetString());
            if (golden.Has($"weights.{tensor.Name}"))
            {
                int[] shape = Array.ConvertAll(tensor.Shape.ToArray(), size => (int)size);
                report.Check($"shape of {tensor.Name}", shape.SequenceEqual(golden.Shape($"weights.{tensor.Name}")));
            }
        }
    }

    private static void CompareGreedy(Golden golden, Report report, MambaLanguageModel model)
    {
        int[] expected = golden.Integers("greedy.tokens"), tokens = new int[expected.Length];
        float[] logits = new float[model.Config.PaddedVocabularySize];
        using ModelState state = model.CreateState();
        model.Prefill(golden.Integers("greedy.prompt"), state, logits);
        for (int i = 0; i < tokens.Length; i++)
        {
            tokens[i] = TensorPrimitives.IndexOfMax(logits);
            model.Step([expected[i]], state, logits);
        }

        report.Compare("greedy tokens", tokens, expected);
    }
}
