using Mamba.Checkpoints;
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Gguf;
using Mamba.Tests.Checkpoints;
using Mamba.Tests.Gguf;
using Mamba.Tests.Models;
using static Mamba.Tests.Checkpoints.SafetensorsBytes;

namespace Mamba.Tests.Fuzz;

/// <summary>Right checkpoints of tiny models in every format, with every key that a reader knows.</summary>
internal static class CheckpointSeeds
{
    private static readonly Mamba2MixerOptions _mamba2 = new() { ModelDim = 8, StateDim = 4, HeadDim = 4, Groups = 2 };

    private static readonly LanguageModelConfig _hybrid = new()
    {
        VocabularySize = 11,
        VocabularyMultiple = 8,
        MlpDim = 128,
        EndOfText = [3],
        Layers =
        [
            _mamba2 with { NormBeforeGate = true, DeltaMax = 0.5f },
            new AttentionMixerOptions { ModelDim = 8, Heads = 2, HeadDim = 6, RotaryDim = 4, ConvWidth = 4 },
        ],
    };

    /// <summary>Models of all kinds, whose configuration and weights are changed.</summary>
    public static IReadOnlyList<FuzzSeed> Models { get; } =
    [
        Saved(CheckpointFolder.Of(new MambaMixerOptions { ModelDim = 8, StateDim = 4, Bias = true }) with
        {
            VocabularyMultiple = 8, EndOfText = [1, 2],
        }),
        Saved(CheckpointFolder.Of(new MambaMixerOptions { ModelDim = 8, InnerDim = 12, ParameterNormEpsilon = 1e-6f })),
        Saved(
            CheckpointFolder.Of(_mamba2 with { UngroupedNorm = true }) with { TieEmbeddings = false },
            ElementType.BF16),
        Saved(_hybrid),
        Saved(
            CheckpointFolder.Of(new MambaMixerOptions { ModelDim = 8, LearnableInitialState = true }),
            ElementType.F16),
    ];

    /// <summary>A model whose generation_config.json is changed.</summary>
    public static FuzzSeed WithGenerationConfig { get; } = Models[0].With(
        "generation_config.json",
        """
        {
          "_from_model_config": true,
          "bos_token_id": 0,
          "eos_token_id": [3, 5],
          "pad_token_id": 0,
          "temperature": 0.7
        }
        """u8.ToArray()) with { Changed = ["generation_config.json"] };

    /// <summary>A model of the original format whose weights are a PyTorch file.</summary>
    public static FuzzSeed TorchModel { get; } = AsTorch(Models[3]);

    /// <summary>PyTorch files: what PyTorch itself has pickled, views of all kinds, a model.</summary>
    public static IReadOnlyList<FuzzSeed> Torch { get; } = [Golden(), Views(), TorchModel];

    /// <summary>Safetensors files: of models, and of every type.</summary>
    public static IReadOnlyList<FuzzSeed> Safetensors { get; } =
    [
        .. Models.Select(seed => seed with { Changed = ["model.safetensors"] }),
        new(
            new Dictionary<string, byte[]>
            {
                ["model.safetensors"] = Make(
                    "{\"__metadata__\":{\"format\":\"pt\"}," + string.Join(
                        ',',
                        Tensor("f64", "F64", "[2]", 0, 16),
                        Tensor("f32", "F32", "[1,1,2]", 16, 24),
                        Tensor("i64", "I64", "[]", 24, 32),
                        Tensor("f16", "F16", "[0]", 32, 32),
                        Tensor("f8", "F8_E4M3", "[3]", 32, 35),
                        Tensor("b", "BOOL", "[1]", 35, 36)) + "}",
                    new byte[36]),
            },
            "model.safetensors"),
    ];

    /// <summary>An index of two files.</summary>
    public static FuzzSeed Shards { get; } = new(
        new Dictionary<string, byte[]>
        {
            ["model.safetensors.index.json"] =
                """
                {
                  "metadata": {"total_size": 24},
                  "weight_map": {"a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"}
                }
                """u8.ToArray(),
            ["one.safetensors"] = Make(
                "{" + Tensor("a", "F32", "[2]", 0, 8) + "," + Tensor("b", "F32", "[1]", 8, 12) + "}", new byte[12]),
            ["two.safetensors"] = Make("{" + Tensor("c", "BF16", "[3]", 0, 6) + "}", new byte[6]),
        },
        "model.safetensors.index.json", "one.safetensors");

    /// <summary>Adapters, a tuned norm and initial states.</summary>
    public static FuzzSeed Adapters { get; } = SavedAdapters();

    /// <summary>GGUF files of both families.</summary>
    public static IReadOnlyList<FuzzSeed> Gguf { get; } =
    [
        SavedGguf(CheckpointFolder.Of(new MambaMixerOptions { ModelDim = 8, StateDim = 4 }), GgufType.F32),
        SavedGguf(CheckpointFolder.Of(_mamba2) with { TieEmbeddings = false, VocabularyMultiple = 8 }, GgufType.F16),
        SavedGguf(CheckpointFolder.Of(new Mamba2MixerOptions { ModelDim = 32, HeadDim = 32 }), GgufType.Q4_K),
    ];

    private static FuzzSeed SavedGguf(LanguageModelConfig config, GgufType type)
    {
        using TemporaryFolder folder = new(inMemory: true);
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, config, new Random(1));
        model.SaveGguf(folder["model.gguf"], type, GgufModels.Tokenizer(11));
        return FuzzSeed.Of(folder.Path, "model.gguf");
    }

    private static FuzzSeed Saved(LanguageModelConfig config, ElementType type = ElementType.F32)
    {
        using CheckpointFolder folder = new();
        folder.Save(config, type);
        if (config.Layers.Any(layer => layer is AttentionMixerOptions))
        {
            folder.Set("causal", "true, \"mlp_dim\": 0"); // a key that is read and not written
        }

        return FuzzSeed.Of(folder.Path, "config.json", "model.safetensors");
    }

    private static FuzzSeed SavedAdapters()
    {
        using TemporaryFolder folder = new(inMemory: true);
        using CpuDevice device = new(1);
        using MambaLanguageModel model = TunedModels.Create(device);
        model.SaveAdapters(folder.Path);
        return FuzzSeed.Of(folder.Path, "adapter_config.json", "adapter_model.safetensors");
    }

    private static FuzzSeed AsTorch(FuzzSeed seed)
    {
        const string Name = "model.safetensors";
        using TemporaryFolder folder = new(inMemory: true);
        using SafetensorsFile source = SafetensorsFile.Open(folder.Write(Name, seed.Files[Name]));
        PickleBuilder pickle = new PickleBuilder().Begin();
        Dictionary<string, byte[]> storages = [];
        foreach (TensorInfo info in source.Tensors.Values)
        {
            string key = $"{storages.Count}";
            float[] values = new float[info.Count];
            source.Read(info.Name, values);
            storages.Add(key, Bytes(values));
            long[] shape = info.Shape.ToArray(), strides = new long[shape.Length];
            for (int axis = shape.Length - 1; axis >= 0; axis--)
            {
                strides[axis] = axis == shape.Length - 1 ? 1 : strides[axis + 1] * shape[axis + 1];
            }

            pickle.Text(info.Name).Tensor(p => p.Storage("FloatStorage", key, info.Count), 0, shape, strides);
        }

        return new(
            new Dictionary<string, byte[]>
            {
                ["config.json"] = seed.Files["config.json"],
                ["pytorch_model.bin"] = TorchArchive.Make(pickle.End(), storages),
            },
            "pytorch_model.bin");
    }

    private static FuzzSeed Golden()
    {
        byte[] pickle = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Golden", "mamba2_state_dict.pkl"));
        int[] layer = [64, 8, 8, 8, 25088, 1024, 256, 128, 8192];
        int[] counts = [6656, .. layer, .. layer, .. layer, 64];
        return OfTorch(
            pickle,
            Enumerable.Range(0, counts.Length).ToDictionary(
                key => $"{key}", key => new byte[counts[key] * sizeof(float)]));
    }

    private static FuzzSeed Views()
    {
        void Shared(PickleBuilder p) => p.Storage("FloatStorage", "0", 24);
        return OfTorch(
            new PickleBuilder().Begin()
                .Text("whole").Tensor(Shared, 0, [2, 3, 4], [12, 4, 1])
                .Text("transposed").Tensor(Shared, 0, [4, 6], [1, 4])
                .Text("repeated").Tensor(Shared, 5, [2, 3], [0, 1])
                .Text("number").Tensor(Shared, 23, [], [])
                .Text("half").Tensor(p => p.Storage("HalfStorage", "1", 2), 0, [2], [1])
                .Text("long").Tensor(p => p.Storage("LongStorage", "2", 1), 0, [1], [1])
                .End(),
            new() { ["0"] = new byte[96], ["1"] = new byte[4], ["2"] = new byte[8] });
    }

    private static FuzzSeed OfTorch(byte[] pickle, Dictionary<string, byte[]> storages) => new(
        new Dictionary<string, byte[]> { ["pytorch_model.bin"] = TorchArchive.Make(pickle, storages) },
        "pytorch_model.bin");
}
