using Mamba.Checkpoints;
using Mamba.Devices;
using Mamba.Models;
using Mamba.Models.Checkpoints;
using Mamba.Tests.Models;

namespace Mamba.Tests.Fuzz;

/// <summary>The readers of checkpoints: of weights alone, of whole models, and of adapters.</summary>
internal static class CheckpointReaders
{
    private static readonly Type[] _damaged = [typeof(InvalidDataException)];
    private static readonly Type[] _damagedOrUnsupported =
        [typeof(InvalidDataException), typeof(NotSupportedException)];

    public static IReadOnlyList<FuzzReader> All { get; } =
    [
        new()
        {
            Name = "safetensors",
            Seeds = [.. CheckpointSeeds.Safetensors],
            Open = (folder, _) => OpenAndRead(Path.Combine(folder, "model.safetensors")),
            Refusals = _damaged,
        },
        new()
        {
            Name = "index",
            Seeds = [CheckpointSeeds.Shards],
            Open = (folder, _) => OpenAndRead(folder),
            Refusals = _damaged,
        },
        new()
        {
            Name = "torch",
            Seeds = [.. CheckpointSeeds.Torch],
            Open = (folder, _) => OpenAndRead(Path.Combine(folder, "pytorch_model.bin")),
            Refusals = _damaged,
        },
        Model("config", [.. CheckpointSeeds.Models.Select(seed => seed with { Changed = ["config.json"] })]),
        Model("generation_config", [CheckpointSeeds.WithGenerationConfig]),
        Model("model", [.. CheckpointSeeds.Models.Select(seed => seed with { Changed = ["model.safetensors"] })]),
        Model("torch model", [CheckpointSeeds.TorchModel]),
        new()
        {
            Name = "gguf",
            Seeds = CheckpointSeeds.Gguf,
            Open = (folder, device) => MambaLanguageModel.Load(Path.Combine(folder, "model.gguf"), device),
            Use = Compute,
            Refusals = _damagedOrUnsupported,
        },
        new()
        {
            Name = "adapters",
            Seeds = [CheckpointSeeds.Adapters],
            Open = LoadAdapters,
            Use = Compute,
            Refusals = _damagedOrUnsupported,
        },
    ];

    private static FuzzReader Model(string name, IReadOnlyList<FuzzSeed> seeds) => new()
    {
        Name = name,
        Seeds = seeds,
        Open = (folder, device) => MambaLanguageModel.Load(folder, device),
        Use = Compute,
        Refusals = _damagedOrUnsupported,
    };

    private static ITensorSource OpenAndRead(string path)
    {
        ITensorSource source = TensorSource.Open(path);
        try
        {
            foreach (TensorInfo info in source.Tensors.Values)
            {
                if (info.Type.IsFloat())
                {
                    source.Read(info.Name, new float[info.Count]);
                    source.ReadRange(info.Name, info.Count / 2, new float[info.Count - (info.Count / 2)]);
                }
                else if (source is SafetensorsFile file)
                {
                    file.ReadBytes(info.Name, 0, new byte[info.ByteLength]);
                }
            }

            return source;
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>Loads adapters; a refusal must leave the model as it was.</summary>
    private static MambaLanguageModel LoadAdapters(string folder, Device device)
    {
        MambaLanguageModel model = TunedModels.Base(device);
        string[] before = StateOf(model);
        try
        {
            model.LoadAdapters(folder);
            return model;
        }
        catch
        {
            string[] after = StateOf(model);
            model.Dispose();
            if (!after.SequenceEqual(before))
            {
                throw new InvalidOperationException("A refusal of adapters has changed the model.");
            }

            throw;
        }
    }

    private static string[] StateOf(MambaLanguageModel model) =>
    [
        .. model.Parameters.Select(
            named => $"{named.Name} {named.Parameter.IsTrainable} {string.Join(' ', named.Parameter.Value.ToArray())}"),
    ];

    private static void Compute(IDisposable opened, Device device)
    {
        MambaLanguageModel model = (MambaLanguageModel)opened;
        float[] logits = new float[model.Config.PaddedVocabularySize];
        using ModelState state = model.CreateState();
        model.Prefill([0, 0, 0], state, logits);
        model.Step([0], state, logits);
    }
}
