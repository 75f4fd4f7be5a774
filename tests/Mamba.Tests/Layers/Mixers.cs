using Mamba.Devices;
using Mamba.Layers;

namespace Mamba.Tests.Layers;

/// <summary>Mixers of every kind and option, small, with odd sizes.</summary>
internal static class Mixers
{
    private const int Dim = 10;

    private static readonly Dictionary<string, MixerOptions> All = new()
    {
        ["mamba1"] = new MambaMixerOptions { ModelDim = Dim },
        ["mamba1 odd"] = new MambaMixerOptions
        {
            ModelDim = Dim, InnerDim = 19, StateDim = 5, ConvWidth = 3, TimeStepRank = 3, Bias = true, ConvBias = false,
        },
        ["mamba1 no look back"] = new MambaMixerOptions { ModelDim = Dim, ConvWidth = 1, StateDim = 1 },

        // A norm over one channel is a step function of it, which float32 cannot follow: the rank is 4, not 1.
        ["mamba1 falcon"] = new MambaMixerOptions
        {
            ModelDim = Dim, StateDim = 8, TimeStepRank = 4, ParameterNormEpsilon = 1e-6f,
        },
        ["mamba1 learned state"] = new MambaMixerOptions { ModelDim = Dim, StateDim = 4, LearnableInitialState = true },
        ["mamba1 no gate"] = new MambaMixerOptions { ModelDim = Dim, StateDim = 4, Gate = false },
        ["mamba2"] = new Mamba2MixerOptions { ModelDim = Dim, StateDim = 16, HeadDim = 5 },
        ["mamba2 groups"] = new Mamba2MixerOptions
        {
            ModelDim = Dim, InnerDim = 24, StateDim = 7, HeadDim = 4, Groups = 3, Bias = true, ConvBias = false,
        },
        ["mamba2 ungrouped norm"] = new Mamba2MixerOptions
        {
            ModelDim = Dim, InnerDim = 24, StateDim = 7, HeadDim = 4, Groups = 3, UngroupedNorm = true,
        },
        ["mamba2 norm first"] = new Mamba2MixerOptions
        {
            ModelDim = Dim, StateDim = 8, HeadDim = 10, NormBeforeGate = true, ConvWidth = 2,
        },
        ["mamba2 no norm, mlp"] = new Mamba2MixerOptions
        {
            ModelDim = Dim, InnerDim = 26, SsmDim = 20, StateDim = 8, HeadDim = 10, Norm = false, DPerChannel = true,
        },
        ["mamba2 mlp, Δ limits"] = new Mamba2MixerOptions
        {
            ModelDim = Dim, InnerDim = 22, SsmDim = 15, StateDim = 3, HeadDim = 5, DeltaMin = 0.01f, DeltaMax = 0.05f,
        },
        ["mamba2 learned state, chunks"] = new Mamba2MixerOptions
        {
            ModelDim = Dim, StateDim = 9, HeadDim = 4, LearnableInitialState = true, ChunkLength = 4,
        },
        ["mamba2 no gate, norm"] = new Mamba2MixerOptions
        {
            ModelDim = Dim, InnerDim = 24, StateDim = 7, HeadDim = 4, Groups = 3, Gate = false,
        },
        ["mamba2 no gate, no norm, mlp"] = new Mamba2MixerOptions
        {
            ModelDim = Dim, InnerDim = 26, SsmDim = 20, StateDim = 8, HeadDim = 10, Gate = false, Norm = false,
        },
        ["s4d"] = new S4dMixerOptions { ModelDim = Dim },
        ["s4d odd, learned state"] = new S4dMixerOptions
        {
            ModelDim = Dim, InnerDim = 19, StateDim = 6, ConvWidth = 3, Bias = true, ConvBias = false,
            LearnableInitialState = true,
        },
        ["s4d real"] = new S4dMixerOptions { ModelDim = Dim, StateDim = 5, IsComplex = false, Gate = false },
        ["mamba1 with adapters"] = new MambaMixerOptions { ModelDim = Dim, StateDim = 4, Bias = true },
        ["mamba2 with adapters"] = new Mamba2MixerOptions { ModelDim = Dim, StateDim = 6, HeadDim = 5 },
        ["attention"] = new AttentionMixerOptions { ModelDim = Dim, Heads = 2, HeadDim = 6, RotaryDim = 4 },
        ["attention grouped"] = new AttentionMixerOptions
        {
            ModelDim = Dim, Heads = 4, KeyValueHeads = 2, HeadDim = 4, RotaryDim = 4, Bias = true, ConvWidth = 3,
        },
        ["attention in a window"] = new AttentionMixerOptions
        {
            ModelDim = Dim, Heads = 2, KeyValueHeads = 1, HeadDim = 6, RotaryDim = 6, Window = 4,
        },
        ["attention with a scale"] = new AttentionMixerOptions
        {
            ModelDim = Dim, Heads = 2, KeyValueHeads = 1, HeadDim = 6, RotaryDim = 2, Scale = 0.9f,
        },
        ["attention of normalised heads"] = new AttentionMixerOptions
        {
            ModelDim = Dim, Heads = 3, KeyValueHeads = 1, HeadDim = 6, RotaryDim = 6, Window = 3,
            HeadNormEpsilon = 1e-6f,
        },
        ["plamo"] = new PlamoMixerOptions
        {
            ModelDim = Dim, Heads = 3, HeadDim = 4, StateDim = 6, TimeStepRank = 5, LearnableInitialState = true,
        },
        ["mamba1 jamba"] = new MambaMixerOptions
        {
            ModelDim = Dim, StateDim = 8, TimeStepRank = 4, ParameterNormEpsilon = 1e-6f, ParameterNormWeights = true,
        },
        ["mamba2 falcon"] = new Mamba2MixerOptions
        {
            ModelDim = Dim, InnerDim = 24, StateDim = 7, HeadDim = 4, Groups = 3, Bias = true, OutBias = false,
            ProjectionScales = new(0.5f, 1.5f, 0.75f, 1.25f, 0.875f),
        },
        ["mamba2 falcon, no norm"] = new Mamba2MixerOptions
        {
            ModelDim = Dim, StateDim = 7, HeadDim = 4, Norm = false, OutBias = true,
            ProjectionScales = new(0.5f, 1.5f, 0.75f, 1.25f, 0.875f),
        },
        ["parallel"] = new ParallelMixerOptions(
            new ParallelBranch(new Mamba2MixerOptions { ModelDim = Dim, StateDim = 6, HeadDim = 5 }) { InScale = 1.5f },
            new ParallelBranch(new AttentionMixerOptions { ModelDim = Dim, Heads = 2, RotaryDim = 4 })
            {
                OutScale = 0.5f,
            }),
        ["gated mlp"] = new GatedMlpOptions
        {
            ModelDim = Dim, HiddenDim = 13, Bias = true, GateScale = 0.75f, OutScale = 1.5f,
        },
        ["gated mlp of gelu"] = new GatedMlpOptions { ModelDim = Dim, HiddenDim = 13, Activation = Activation.Gelu },
        ["mlp"] = new MlpOptions { ModelDim = Dim, HiddenDim = 17, Activation = Activation.GeluTanh },
        ["experts, softmax of chosen"] = new MixtureOfExpertsOptions
        {
            ModelDim = Dim, Experts = 5, ExpertsPerToken = 2,
            Expert = new GatedMlpOptions { ModelDim = Dim, HiddenDim = 7 },
            Shared = new MlpOptions { ModelDim = Dim, HiddenDim = 6 },
        },
        ["experts, softmax"] = new MixtureOfExpertsOptions
        {
            ModelDim = Dim, Experts = 3, ExpertsPerToken = 1, Routing = ExpertRouting.Softmax, WeightScale = 0.5f,
            Expert = new GatedMlpOptions { ModelDim = Dim, HiddenDim = 7 },
        },
        ["experts, sigmoid in groups"] = new MixtureOfExpertsOptions
        {
            ModelDim = Dim, Experts = 8, ExpertsPerToken = 3, Routing = ExpertRouting.Sigmoid, Groups = 4,
            GroupsPerToken = 2, NormalizeWeights = true, WeightScale = 2.5f, LatentDim = 6,
            Expert = new MlpOptions { ModelDim = 6, HiddenDim = 7, Activation = Activation.SquaredRelu, Bias = false },
        },
    };

    public static TheoryData<string> Names => [.. All.Keys];

    public static int ModelDim => Dim;

    /// <summary>Makes a mixer whose every weight is random, also those that start as constants.</summary>
    public static SequenceMixer Create(string name, Device device, int seed = 1)
    {
        SequenceMixer mixer = All[name].Create(device, new Random(seed), 1);
        if (name.EndsWith("adapters", StringComparison.Ordinal))
        {
            LowRank.Adapt(mixer, new() { Rank = 3, Alpha = 5 }, new Random(seed));
        }

        foreach ((string parameter, Parameter weights) in mixer.Parameters)
        {
            weights.IsTrainable = true;
            int count = (int)weights.Value.Shape.Count;
            if (parameter is "d" or "initial_state" or "norm.weight"
                || parameter.EndsWith(".bias", StringComparison.Ordinal)
                || parameter.EndsWith("adapter.b", StringComparison.Ordinal))
            {
                float[] values = weights.Value.ToArray();
                float[] noise = Samples.Normal(seed + parameter.Length, count, 0.3);
                weights.Value.CopyFrom([.. values.Zip(noise, (value, more) => value + more)]);
            }
        }

        return mixer;
    }

    /// <summary>A state of random memories.</summary>
    public static LayerState RandomState(SequenceMixer mixer, int batch, int seed)
    {
        LayerState state = mixer.CreateState(batch);
        state.SetLength(state.HoldsTokens ? 3 : 0);
        for (int i = 0; i < state.Arrays.Count; i++)
        {
            state.Arrays[i].CopyFrom(Samples.Normal(seed + i, (int)state.Arrays[i].Shape.Count));
        }

        return state;
    }
}
