using Mamba.Layers;

namespace Mamba.Models.Checkpoints.Families;

/// <summary>
/// PLaMo-2: layers of a Mamba mixer of its own and of attention, each with a gated MLP, and norms after both.
/// </summary>
/// <remarks>Preferred Networks, <see href="https://arxiv.org/abs/2509.04897"/>.</remarks>
internal sealed class Plamo2 : Family
{
    private const float HeadNormEpsilon = 1e-6f; // a constant of the original code

    /// <summary>Norm weights are stored as differences from these.</summary>
    private static readonly float AfterMixer = 0.2f, AfterMlp = (float)Math.Pow(5, -1.5);

    public override string ModelType => "plamo2";

    protected override (string Embedding, string Norm, string Head) Ends =>
        base.Ends with { Norm = "model.norm.weight" };

    protected override float FinalNormOffset => 1;

    protected override LanguageModelConfig ReadLayers(ConfigJson json)
    {
        RequireAbsent(json, "n_expert", "k_expert", "sparse_step", "image_feature_size", "rope_local_theta");
        if (!json.Flag("mamba_enabled", true) || json.Flag("use_predefined_initial_state", false))
        {
            throw new NotSupportedException(
                $"{json.Source}: supported is mamba_enabled true and use_predefined_initial_state false.");
        }

        int dim = json.Integer("hidden_size", ConfigRanges.Size);
        int headDim = json.Integer("hidden_size_per_head", ConfigRanges.Size, 128);
        float epsilon = (float)json.Number("rms_norm_eps", ConfigRanges.Epsilon, 1e-6);
        PlamoMixerOptions mamba = new()
        {
            ModelDim = dim,
            Heads = json.Integer("mamba_num_heads", ConfigRanges.Size, 64),
            HeadDim = headDim,
            StateDim = json.Integer("mamba_d_state", ConfigRanges.Size, 64),
            ConvWidth = json.Integer("mamba_d_conv", ConfigRanges.Size, 4),
            NormEpsilon = epsilon,
        };
        int[] full = json.Integers("full_attention_idx", ConfigRanges.SizeOrNone);
        int window = json.Integer("attention_window_size", ConfigRanges.Size, 2048);
        AttentionMixerOptions Attention(int layer) => new()
        {
            ModelDim = dim,
            Heads = json.Integer("num_attention_heads", ConfigRanges.Size, 32),
            KeyValueHeads = json.Integer("num_key_value_heads", (1, 1), 1), // with more, two readers differ
            HeadDim = headDim,
            RotaryDim = headDim,
            Window = full.Contains(layer) ? 0 : window + 1,
            HeadNormEpsilon = HeadNormEpsilon,
        };
        GatedMlpOptions mlp = new()
        {
            ModelDim = dim,
            HiddenDim = json.Integer("intermediate_size", ConfigRanges.Size),
        };
        int layers = json.Integer("num_hidden_layers", ConfigRanges.Layers);
        int step = json.Integer("mamba_step", ConfigRanges.Size, 2);
        bool IsAttention(int layer) =>
            layers <= step / 2 ? layer == layers - 1 : layer % step == step / 2;
        return new()
        {
            VocabularySize = json.Integer("vocab_size", ConfigRanges.Vocabulary),
            Layers =
            [
                .. Enumerable.Range(0, layers).SelectMany<int, MixerOptions>(
                    i => [IsAttention(i) ? Attention(i) : mamba, mlp]),
            ],
            NormEpsilon = epsilon,
            PostNorms = true,
        };
    }

    protected override void MapLayers(LanguageModelConfig config, TensorMap map)
    {
        for (int i = 0; i < config.Layers.Count; i += 2)
        {
            string tensors = $"model.layers.layers.{i / 2}.", mixer = $"blocks.{i}.", mlp = $"blocks.{i + 1}.";
            MapNorms(tensors, "mixer", mixer, AfterMixer, config.ModelDim, map);
            if (config.Layers[i] is PlamoMixerOptions mamba)
            {
                MapMamba($"{tensors}mixer.", $"{mixer}mixer.", mamba, map);
            }
            else
            {
                MapAttention($"{tensors}mixer.", $"{mixer}mixer.", (AttentionMixerOptions)config.Layers[i], map);
            }

            MapNorms(tensors, "mlp", mlp, AfterMlp, config.ModelDim, map);
            map.AddGateFirst(
                $"{tensors}mlp.gate_up_proj.weight",
                $"{tensors}mlp.down_proj.weight",
                [$"{mlp}mixer."],
                (GatedMlpOptions)config.Layers[i + 1],
                isStacked: false);
        }
    }

    private static void MapNorms(string tensors, string layer, string block, float after, int dim, TensorMap map)
    {
        map.Add(new TensorPart($"{tensors}pre_{layer}_norm.weight", [dim], $"{block}norm.weight") { Offset = 1 });
        map.Add(new TensorPart($"{tensors}post_{layer}_norm.weight", [dim], $"{block}post_norm.weight")
        {
            Offset = after,
        });
    }

    private static void MapAttention(string tensors, string parameters, AttentionMixerOptions options, TensorMap map)
    {
        (int heads, int keys, int width) = (options.Heads, options.KeyValueHeads, options.HeadDim);
        map.AddLinear(
            $"{tensors}qkv_proj",
            $"{parameters}in_projection",
            options.ModelDim,
            (heads + (2 * keys)) * width,
            bias: false);
        map.Add($"{tensors}q_weight", $"{parameters}query_norm.weight", heads, width);
        map.Add($"{tensors}k_weight", $"{parameters}key_norm.weight", keys, width);
        map.AddLinear($"{tensors}o_proj", $"{parameters}out_projection", heads * width, options.ModelDim, bias: false);
    }

    private static void MapMamba(string tensors, string parameters, PlamoMixerOptions options, TensorMap map)
    {
        (int dim, int inner, int width) = (options.ModelDim, options.InnerDim, options.HeadDim);
        (int states, int rank) = (options.StateDim, options.TimeStepRank);
        for (int part = 0; part < 2; part++)
        {
            // x, then z, whose rows alternate in the checkpoint, head by head, z first.
            for (int head = 0; head < options.Heads; head++)
            {
                int from = ((2 * head) + 1 - part) * width, to = ((part * options.Heads) + head) * width;
                map.AddRows(
                    $"{tensors}in_proj.weight", [2 * inner, dim], from, width, $"{parameters}in_projection.weight", to);
            }
        }

        map.AddConvolution(tensors, parameters, inner, options.ConvWidth, bias: false);
        map.AddLinear($"{tensors}bcdt_proj", $"{parameters}x_projection", inner, (2 * states) + rank, bias: false);
        map.Add($"{tensors}B_norm_weight", $"{parameters}b_norm.weight", states);
        map.Add($"{tensors}C_norm_weight", $"{parameters}c_norm.weight", states);
        map.Add($"{tensors}dt_norm_weight", $"{parameters}dt_norm.weight", rank);
        map.AddLinear($"{tensors}dt_proj", $"{parameters}dt_projection", rank, options.Heads, bias: false);
        map.Add($"{tensors}dt_bias", $"{parameters}dt_bias", options.Heads);
        map.Add($"{tensors}A_log", $"{parameters}a_log", options.Heads);
        map.Add($"{tensors}D", $"{parameters}d", options.Heads);
        map.AddLinear($"{tensors}out_proj", $"{parameters}out_projection", inner, dim, bias: false);
    }
}
