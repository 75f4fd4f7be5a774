using Mamba.Layers;

namespace Mamba.Models.Checkpoints.Families;

/// <summary>
/// Zamba2: layers of Mamba-2; some read the output of a transformer block that they share with others, to whose
/// projections each adds one of low rank.
/// </summary>
/// <remarks>Glorioso et al., <see href="https://arxiv.org/abs/2411.15242"/>.</remarks>
internal sealed class Zamba2 : Family
{
    private const float MixerNormEpsilon = 1e-5f; // a constant of the original code

    public override string ModelType => "zamba2";

    protected override LanguageModelConfig ReadLayers(ConfigJson json)
    {
        RequireText(json, "hidden_act", "gelu");
        RequireAbsent(json, "sliding_window");
        if (json.Flag("add_bias_linear", false))
        {
            throw new NotSupportedException($"{json.Source}: add_bias_linear is true; supported is false.");
        }

        int dim = json.Integer("hidden_size", ConfigRanges.Size);
        float epsilon = (float)json.Number("rms_norm_eps", ConfigRanges.Epsilon, 1e-5);
        Mamba2MixerOptions mamba = Mamba(json, dim);
        string[] kinds = json.Texts("layers_block_type");
        int blocks = json.Integer("num_mem_blocks", ConfigRanges.Size, 1);
        int shared = 0;
        MixerOptions Layer(string kind) => kind switch
        {
            "mamba" or "linear_attention" => mamba,
            "hybrid" => Shared(json, mamba, epsilon, shared++ % blocks),
            _ => throw new NotSupportedException(
                $"{json.Source}: layers_block_type has \"{kind}\"; supported are mamba, linear_attention and hybrid."),
        };
        return new()
        {
            VocabularySize = json.Integer("vocab_size", ConfigRanges.Vocabulary),
            Layers = [.. kinds.Select(Layer)],
            NormEpsilon = epsilon,
        };
    }

    protected override void MapLayers(LanguageModelConfig config, TensorMap map)
    {
        // A shared block is stored under the first layer that uses it, with the adapters of all that do, by their
        // number.
        Dictionary<int, int> owners = [];
        int hybrids = 0;
        for (int i = 0; i < config.Layers.Count; i++)
        {
            string tensors = $"model.layers.{i}.", parameters = $"blocks.{i}.";
            if (config.Layers[i] is SharedInputMixerOptions shared)
            {
                if (owners.TryAdd(shared.Block, i))
                {
                    MapBlock($"{tensors}shared_transformer.", $"{parameters}mixer.shared.", shared, map);
                }

                string adapters = $"model.layers.{owners[shared.Block]}.shared_transformer.";
                MapAdapters(adapters, hybrids++, $"{parameters}mixer.", shared, map);
                map.AddLinear(
                    $"{tensors}linear", $"{parameters}mixer.projection", config.ModelDim, config.ModelDim, bias: false);
                map.Add($"{tensors}mamba_decoder.input_layernorm.weight", $"{parameters}norm.weight", config.ModelDim);
                map.AddMamba2(
                    $"{tensors}mamba_decoder.mamba.", $"{parameters}mixer.mixer.", (Mamba2MixerOptions)shared.Mixer);
            }
            else
            {
                map.Add($"{tensors}input_layernorm.weight", $"{parameters}norm.weight", config.ModelDim);
                map.AddMamba2($"{tensors}mamba.", $"{parameters}mixer.", (Mamba2MixerOptions)config.Layers[i]);
            }
        }
    }

    private static void MapBlock(string tensors, string parameters, SharedInputMixerOptions shared, TensorMap map)
    {
        map.Add($"{tensors}input_layernorm.weight", $"{parameters}input_norm.weight", 2 * shared.ModelDim);
        map.AddAttention($"{tensors}self_attn.", $"{parameters}attention.", shared.Attention);
        map.Add($"{tensors}pre_ff_layernorm.weight", $"{parameters}mlp_norm.weight", shared.ModelDim);
        map.AddGateFirst(
            $"{tensors}feed_forward.gate_up_proj.weight",
            $"{tensors}feed_forward.down_proj.weight",
            [$"{parameters}mlp."],
            shared.Mlp,
            isStacked: false);
    }

    private static void MapAdapters(
        string tensors, int number, string parameters, SharedInputMixerOptions shared, TensorMap map)
    {
        (int rank, int dim, int hidden) = (shared.AdapterRank, shared.ModelDim, shared.Mlp.HiddenDim);
        if (shared.AttentionAdapters)
        {
            AttentionMixerOptions attention = shared.Attention;
            int queries = attention.Heads * attention.HeadDim, keys = attention.KeyValueHeads * attention.HeadDim;
            string Name(string kind, int part) => $"{tensors}self_attn.linear_{kind}_adapter_list.{number}.{part}";
            string adapter = $"{parameters}attention_adapter.";
            map.AddLinears(
                $"{adapter}down",
                attention.InputDim,
                false,
                (Name("q", 0), rank),
                (Name("k", 0), rank),
                (Name("v", 0), rank));
            map.AddLinear(Name("q", 1), $"{adapter}up.0", rank, queries, bias: false);
            map.AddLinear(Name("k", 1), $"{adapter}up.1", rank, keys, bias: false);
            map.AddLinear(Name("v", 1), $"{adapter}up.2", rank, keys, bias: false);
        }

        if (rank > 0)
        {
            string name = $"{tensors}feed_forward.gate_up_proj_adapter_list.{number}.";
            string up = $"{parameters}mlp_adapter.up.0.weight";
            map.AddLinear($"{name}0", $"{parameters}mlp_adapter.down", dim, rank, bias: false);
            map.AddRows($"{name}1.weight", [2 * hidden, rank], 0, hidden, up, hidden); // the gate first
            map.AddRows($"{name}1.weight", [2 * hidden, rank], hidden, hidden, up, 0);
        }
    }

    private static Mamba2MixerOptions Mamba(ConfigJson json, int dim)
    {
        int heads = json.Integer("n_mamba_heads", ConfigRanges.Size, 8);
        int inner = json.Derived(
            "mamba_expand times hidden_size", json.Number("mamba_expand", ConfigRanges.Positive, 2) * dim);
        int headDim = json.Integer("mamba_headdim", ConfigRanges.Size, inner / heads);
        BambaMixer.RequireHeads(json, inner, ("n_mamba_heads", heads), ("mamba_headdim", headDim));
        (double low, double high) = json.Limits("time_step_limit", (0, double.PositiveInfinity));
        return new()
        {
            ModelDim = dim,
            InnerDim = inner,
            HeadDim = headDim,
            StateDim = json.Integer("mamba_d_state", ConfigRanges.Size, 64),
            Groups = json.Integer("mamba_ngroups", ConfigRanges.Size, 1),
            ConvWidth = json.Integer("mamba_d_conv", ConfigRanges.Size, 4),
            ConvBias = json.Flag("use_conv_bias", true),
            NormEpsilon = MixerNormEpsilon,
            DeltaMin = (float)low,
            DeltaMax = (float)high,
        };
    }

    private static SharedInputMixerOptions Shared(
        ConfigJson json, Mamba2MixerOptions mamba, float epsilon, int block)
    {
        int dim = mamba.ModelDim, heads = json.Integer("num_attention_heads", ConfigRanges.Size, 32);
        int headDim = json.Integer("attention_head_dim", ConfigRanges.Size, 2 * dim / heads);
        double theta = RotaryBase(json);
        if (json.Flag("use_long_context", false))
        {
            theta *= Math.Pow(8, headDim / (headDim - 2.0)); // positions of eight times the length
        }

        bool hasAttentionAdapters = json.Flag(
            "use_shared_attention_adapter", json.Flag("use_shared_attention_lora", false));
        return new()
        {
            ModelDim = dim,
            Mixer = mamba,
            Block = block,
            NormEpsilon = epsilon,
            AdapterRank = json.Integer("adapter_rank", ConfigRanges.SizeOrNone, 128),
            AttentionAdapters = hasAttentionAdapters,
            Attention = new()
            {
                ModelDim = dim,
                InputDim = 2 * dim,
                Heads = heads,
                KeyValueHeads = json.Integer("num_key_value_heads", ConfigRanges.Size, heads),
                HeadDim = headDim,
                RotaryDim = json.Flag("use_mem_rope", false) ? headDim : 0,
                RotaryBase = theta,
                Scale = 1 / MathF.Sqrt(headDim / 2f),
            },
            Mlp = new()
            {
                ModelDim = dim,
                HiddenDim = json.Integer("intermediate_size", ConfigRanges.Size, 4 * dim),
                Activation = Activation.Gelu,
            },
        };
    }
}
