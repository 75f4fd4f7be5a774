using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Gguf;

namespace Mamba.Tests.Gguf;

/// <summary>Models whose parameters are all random, for the tests of GGUF.</summary>
internal static class GgufModels
{
    public static readonly int[] Ids = [1, 5, 2, 9, 3, 3, 7, 0, 10, 4];

    public static readonly IReadOnlyDictionary<string, LanguageModelConfig> Configs =
        new Dictionary<string, LanguageModelConfig>
        {
            ["mamba"] = Of(new MambaMixerOptions { ModelDim = 256, StateDim = 16 }, 8),
            ["mamba, untied, Falcon's norms"] = Of(
                new MambaMixerOptions
                {
                    ModelDim = 32, StateDim = 8, TimeStepRank = 3, ParameterNormEpsilon = 1e-5f,
                },
                8) with { TieEmbeddings = false },
            ["mamba2"] = Of(new Mamba2MixerOptions { ModelDim = 256, StateDim = 16, HeadDim = 32 }, 16),
            ["mamba2, untied, two groups"] = Of(
                new Mamba2MixerOptions { ModelDim = 32, InnerDim = 96, StateDim = 8, HeadDim = 16, Groups = 2 }, 16)
                with { TieEmbeddings = false },
        };

    /// <summary>Models with layers of several kinds.</summary>
    public static IReadOnlyDictionary<string, LanguageModelConfig> Hybrids { get; } = HybridsOf(
        new()
        {
            ModelDim = 32, InnerDim = 64, StateDim = 8, ParameterNormEpsilon = 1e-5f, ParameterNormWeights = true,
        },
        new() { ModelDim = 32, InnerDim = 64, StateDim = 16, HeadDim = 8, Groups = 2 },
        new() { ModelDim = 32, Heads = 4, KeyValueHeads = 2 },
        new() { ModelDim = 32, HiddenDim = 64 });

    private static Dictionary<string, LanguageModelConfig> HybridsOf(
        MambaMixerOptions mamba, Mamba2MixerOptions mamba2, AttentionMixerOptions attention, GatedMlpOptions mlp)
    {
        MixtureOfExpertsOptions experts = new()
        {
            ModelDim = 32, Experts = 4, ExpertsPerToken = 2, Expert = mlp, Routing = ExpertRouting.Softmax,
        };
        ParallelMixerOptions parallel = new(
            new ParallelBranch(mamba2 with { Norm = false }),
            new ParallelBranch(attention with { RotaryDim = 8, RotaryBase = 1e6 }));
        LanguageModelConfig Config(params MixerOptions[] layers) => new() { VocabularySize = 11, Layers = layers };
        return new()
        {
            ["jamba"] = Config(mamba, mlp, attention, experts),
            ["falcon-h1"] = Config(parallel, mlp, parallel, mlp),
            ["granitehybrid"] = Config(mamba2, mlp, attention with { Scale = 0.2f }, mlp) with
            {
                EmbeddingScale = 3, ResidualScale = 0.3f, LogitScale = 0.5f,
            },
            ["granitehybrid, experts"] = Config(
                mamba2,
                experts with { Routing = ExpertRouting.SoftmaxOfChosen, Shared = mlp with { HiddenDim = 32 } },
                attention,
                experts with { Routing = ExpertRouting.SoftmaxOfChosen, Shared = mlp with { HiddenDim = 32 } }),
            ["nemotron_h"] = Config(
                mamba2,
                new MlpOptions { ModelDim = 32, HiddenDim = 64, Activation = Activation.SquaredRelu, Bias = false },
                attention with { HeadDim = 12 },
                mamba2) with { TieEmbeddings = false },
        };
    }

    public static LanguageModelConfig Of(MixerOptions layer, int multiple = 1) =>
        new() { VocabularySize = 11, VocabularyMultiple = multiple, Layers = [layer, layer] };

    public static MambaLanguageModel Create(Device device, LanguageModelConfig config, double noise = 0.2)
    {
        MambaLanguageModel model = new(device, config, new Random(1));
        foreach (((string _, Parameter parameter), int i) in model.Parameters.Select((named, i) => (named, i)))
        {
            float[] values = Samples.Normal(i, (int)parameter.Value.Shape.Count, noise);
            parameter.Value.CopyFrom([.. parameter.Value.ToArray().Select((value, j) => value + values[j])]);
        }

        return model;
    }

    public static float[] Logits(MambaLanguageModel model, int[]? ids = null)
    {
        using DeviceScope scope = model.Device.Scope();
        return model.Forward(ids ?? Ids).ToArray();
    }

    public static GgufTokenizer Tokenizer(int tokens) => new()
    {
        Model = "gpt2",
        Pre = "olmo",
        Tokens = [.. Enumerable.Range(0, tokens).Select(i => $"t{i}")],
        TokenTypes = [.. Enumerable.Repeat(1, tokens)],
        Merges = ["t 1", "t 2"],
        BeginOfText = 0,
        EndOfText = 3,
        EndOfTurn = 4,
        AddBeginOfText = false,
        ChatTemplate = "{{ messages }}",
    };
}
