using Mamba.Layers;

namespace Mamba.Models.Checkpoints.Families;

/// <summary>
/// Falcon-H1: every layer has Mamba-2 and attention side by side, then a gated MLP, with constant factors of inputs and
/// outputs.
/// </summary>
/// <remarks>Zuo et al., <see href="https://arxiv.org/abs/2507.22448"/>.</remarks>
internal sealed class FalconH1 : Family
{
    public override string ModelType => "falcon_h1";

    protected override LanguageModelConfig ReadLayers(ConfigJson json)
    {
        RequireText(json, "hidden_act", "silu");
        RequireAbsent(json, "attn_layer_indices", "sliding_window");
        float[] mlpFactors = Factors(json, "mlp_multipliers", 2), factors = Factors(json, "ssm_multipliers", 5);
        Mamba2MixerOptions mamba = BambaMixer.Read(json) with
        {
            OutBias = json.Flag("projectors_bias", false),
            Norm = json.Flag("mamba_rms_norm", false),
            NormBeforeGate = json.Flag("mamba_norm_before_gate", true),
            UngroupedNorm = false,
            ProjectionScales = new(factors[0], factors[1], factors[2], factors[3], factors[4]),
        };
        int heads = json.Integer("num_attention_heads", ConfigRanges.Size, 32);
        int headDim = HeadDim(json, mamba.ModelDim, heads);
        AttentionMixerOptions attention = new()
        {
            ModelDim = mamba.ModelDim,
            Heads = heads,
            KeyValueHeads = json.Integer("num_key_value_heads", ConfigRanges.Size, heads),
            HeadDim = headDim,
            RotaryDim = headDim,
            RotaryBase = RotaryBase(json),
            Scale = Factor(json, "key_multiplier") / MathF.Sqrt(headDim),
            Bias = json.Flag("attention_bias", false),
        };
        ParallelMixerOptions mixer = new(
            new ParallelBranch(mamba)
            {
                InScale = Factor(json, "ssm_in_multiplier"),
                OutScale = Factor(json, "ssm_out_multiplier"),
            },
            new ParallelBranch(attention)
            {
                InScale = Factor(json, "attention_in_multiplier"),
                OutScale = Factor(json, "attention_out_multiplier"),
            });
        GatedMlpOptions mlp = new()
        {
            ModelDim = mamba.ModelDim,
            HiddenDim = json.Integer("intermediate_size", ConfigRanges.Size),
            Bias = json.Flag("mlp_bias", false),
            GateScale = mlpFactors[0],
            OutScale = mlpFactors[1],
        };
        int layers = json.Integer("num_hidden_layers", ConfigRanges.Layers);
        return new()
        {
            VocabularySize = json.Integer("vocab_size", ConfigRanges.Vocabulary),
            Layers = [.. Enumerable.Range(0, layers).SelectMany<int, MixerOptions>(_ => [mixer, mlp])],
            NormEpsilon = mamba.NormEpsilon,
            EmbeddingScale = Factor(json, "embedding_multiplier"),
            LogitScale = Factor(json, "lm_head_multiplier"),
        };
    }

    protected override void MapLayers(LanguageModelConfig config, TensorMap map)
    {
        for (int i = 0; i < config.Layers.Count; i += 2)
        {
            string tensors = $"model.layers.{i / 2}.", mixer = $"blocks.{i}.", mlp = $"blocks.{i + 1}.";
            IReadOnlyList<ParallelBranch> branches = ((ParallelMixerOptions)config.Layers[i]).Branches;
            map.Add($"{tensors}input_layernorm.weight", $"{mixer}norm.weight", config.ModelDim);
            map.AddMamba2($"{tensors}mamba.", $"{mixer}mixer.0.", (Mamba2MixerOptions)branches[0].Mixer);
            map.AddAttention($"{tensors}self_attn.", $"{mixer}mixer.1.", (AttentionMixerOptions)branches[1].Mixer);
            map.Add($"{tensors}pre_ff_layernorm.weight", $"{mlp}norm.weight", config.ModelDim);
            map.AddGatedMlp($"{tensors}feed_forward.", $"{mlp}mixer.", (GatedMlpOptions)config.Layers[i + 1]);
        }
    }

    private static float[] Factors(ConfigJson json, string key, int count)
    {
        double[] numbers = json.Numbers(key, ConfigRanges.Finite);
        return numbers.Length == count ? Array.ConvertAll(numbers, number => (float)number)
            : numbers.Length == 0 ? [.. Enumerable.Repeat(1f, count)]
            : throw new InvalidDataException(
                $"{json.Source}: \"{key}\": expected {count} numbers; found {numbers.Length}.");
    }
}
