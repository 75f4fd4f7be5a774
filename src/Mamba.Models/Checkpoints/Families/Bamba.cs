using Mamba.Layers;

namespace Mamba.Models.Checkpoints.Families;

/// <summary>Bamba: layers of Mamba-2 and some of attention, each with a gated MLP.</summary>
internal sealed class Bamba : Family
{
    public override string ModelType => "bamba";

    protected override LanguageModelConfig ReadLayers(ConfigJson json)
    {
        RequireText(json, "hidden_act", "silu");
        RequireAbsent(json, "sliding_window");
        Mamba2MixerOptions mamba = BambaMixer.Read(json);
        int heads = json.Integer("num_attention_heads", ConfigRanges.Size, 32);
        int headDim = HeadDim(json, mamba.ModelDim, heads);
        AttentionMixerOptions attention = new()
        {
            ModelDim = mamba.ModelDim,
            Heads = heads,
            KeyValueHeads = json.Integer("num_key_value_heads", ConfigRanges.Size, heads),
            HeadDim = headDim,
            RotaryDim = headDim / 4 * 2, // half of each head, a constant of the original code
            RotaryBase = RotaryBase(json),
            Bias = json.Flag("attention_bias", false),
        };
        GatedMlpOptions mlp = new()
        {
            ModelDim = mamba.ModelDim,
            HiddenDim = json.Integer("intermediate_size", ConfigRanges.Size),
            Bias = json.Flag("mlp_bias", false),
        };
        int layers = json.Integer("num_hidden_layers", ConfigRanges.Layers);
        int[] ofAttention = json.Integers("attn_layer_indices", (0, layers - 1));
        return new()
        {
            VocabularySize = json.Integer("vocab_size", ConfigRanges.Vocabulary),
            Layers =
            [
                .. Enumerable.Range(0, layers).SelectMany<int, MixerOptions>(
                    i => [ofAttention.Contains(i) ? attention : mamba, mlp]),
            ],
            NormEpsilon = mamba.NormEpsilon,
        };
    }

    protected override void MapLayers(LanguageModelConfig config, TensorMap map)
    {
        for (int i = 0; i < config.Layers.Count; i += 2)
        {
            string tensors = $"model.layers.{i / 2}.", mixer = $"blocks.{i}.", mlp = $"blocks.{i + 1}.";
            map.Add($"{tensors}input_layernorm.weight", $"{mixer}norm.weight", config.ModelDim);
            map.AddMixer(tensors, $"{mixer}mixer.", config.Layers[i]);
            map.Add($"{tensors}pre_ff_layernorm.weight", $"{mlp}norm.weight", config.ModelDim);
            map.AddGatedMlp($"{tensors}feed_forward.", $"{mlp}mixer.", (GatedMlpOptions)config.Layers[i + 1]);
        }
    }
}
