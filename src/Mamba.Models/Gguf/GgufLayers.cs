using Mamba.Layers;
using Mamba.Models.Checkpoints;
using Mamba.Models.Checkpoints.Families;

namespace Mamba.Models.Gguf;

/// <summary>Names of the tensors of every kind of layer in GGUF files.</summary>
internal static class GgufLayers
{
    /// <summary>Adds the tensors of a layer.</summary>
    /// <param name="map">The table.</param>
    /// <param name="tensors">Prefix of the tensors' names.</param>
    /// <param name="parameters">Prefix of the parameters' names.</param>
    /// <param name="options">The layer.</param>
    public static void Add(TensorMap map, string tensors, string parameters, MixerOptions options)
    {
        switch (options)
        {
            case MambaMixerOptions mamba:
                AddMamba(map, tensors, parameters, mamba);
                break;
            case Mamba2MixerOptions mamba2:
                AddMamba2(map, tensors, parameters, mamba2);
                break;
            case AttentionMixerOptions attention:
                AddAttention(map, tensors, parameters, attention);
                break;
            case ParallelMixerOptions parallel:
                for (int i = 0; i < parallel.Branches.Count; i++)
                {
                    Add(map, tensors, $"{parameters}{i}.", parallel.Branches[i].Mixer);
                }

                break;
            case MixtureOfExpertsOptions mixture:
                AddMixture(map, tensors, parameters, mixture);
                break;
            case GatedMlpOptions mlp:
                AddGatedMlp(map, tensors, "", parameters, mlp);
                break;
            case MlpOptions mlp:
                map.AddLinear($"{tensors}ffn_up", $"{parameters}in", mlp.ModelDim, mlp.HiddenDim, mlp.Bias);
                map.AddLinear($"{tensors}ffn_down", $"{parameters}out", mlp.HiddenDim, mlp.ModelDim, mlp.Bias);
                break;
        }
    }

    private static void AddMamba(TensorMap map, string tensors, string parameters, MambaMixerOptions options)
    {
        (int inner, int states, int rank) = (options.InnerDim, options.StateDim, options.TimeStepRank);
        map.AddLinear($"{tensors}ssm_in", $"{parameters}in_projection", options.ModelDim, 2 * inner, options.Bias);
        map.AddConvolution($"{tensors}ssm_", parameters, inner, options.ConvWidth, options.ConvBias);
        map.AddLinear($"{tensors}ssm_x", $"{parameters}x_projection", inner, rank + (2 * states), bias: false);
        map.AddLinear($"{tensors}ssm_dt", $"{parameters}dt_projection", rank, inner, bias: true);
        map.Add(new TensorPart($"{tensors}ssm_a", [inner, states], $"{parameters}a_log", WeightLayout.Transposed));
        map.Add($"{tensors}ssm_d", $"{parameters}d", inner);
        if (options.ParameterNormWeights)
        {
            map.Add($"{tensors}ssm_dt_norm.weight", $"{parameters}dt_norm.weight", rank);
            map.Add($"{tensors}ssm_b_norm.weight", $"{parameters}b_norm.weight", states);
            map.Add($"{tensors}ssm_c_norm.weight", $"{parameters}c_norm.weight", states);
        }

        map.AddLinear($"{tensors}ssm_out", $"{parameters}out_projection", inner, options.ModelDim, options.Bias);
    }

    private static void AddMamba2(TensorMap map, string tensors, string parameters, Mamba2MixerOptions options)
    {
        int inner = options.InnerDim, projected = options.GateDim + options.ConvDim + options.Heads;
        map.AddLinear($"{tensors}ssm_in", $"{parameters}in_projection", options.ModelDim, projected, options.Bias);
        map.AddConvolution($"{tensors}ssm_", parameters, options.ConvDim, options.ConvWidth, options.ConvBias);
        map.Add($"{tensors}ssm_dt.bias", $"{parameters}dt_bias", options.Heads);
        map.Add($"{tensors}ssm_a", $"{parameters}a_log", options.Heads);
        map.Add($"{tensors}ssm_d", $"{parameters}d", options.Heads);
        if (options.Norm)
        {
            map.Add($"{tensors}ssm_norm.weight", $"{parameters}norm.weight", inner);
        }

        map.AddLinear($"{tensors}ssm_out", $"{parameters}out_projection", inner, options.ModelDim, options.Bias);
    }

    private static void AddAttention(TensorMap map, string tensors, string parameters, AttentionMixerOptions options)
    {
        int queries = options.Heads * options.HeadDim, keys = options.KeyValueHeads * options.HeadDim;
        map.AddLinears(
            $"{parameters}in_projection",
            options.ModelDim,
            options.Bias,
            ($"{tensors}attn_q", queries),
            ($"{tensors}attn_k", keys),
            ($"{tensors}attn_v", keys));
        map.AddLinear(
            $"{tensors}attn_output", $"{parameters}out_projection", queries, options.ModelDim, options.Bias);
    }

    private static void AddGatedMlp(
        TensorMap map, string tensors, string suffix, string parameters, GatedMlpOptions options)
    {
        map.AddLinears(
            $"{parameters}in",
            options.ModelDim,
            options.Bias,
            ($"{tensors}ffn_up{suffix}", options.HiddenDim),
            ($"{tensors}ffn_gate{suffix}", options.HiddenDim));
        map.AddLinear(
            $"{tensors}ffn_down{suffix}", $"{parameters}out", options.HiddenDim, options.ModelDim, options.Bias);
    }

    /// <summary>A mixture of experts, which are stacked along the first axis of three tensors.</summary>
    private static void AddMixture(TensorMap map, string tensors, string parameters, MixtureOfExpertsOptions options)
    {
        GatedMlpOptions expert = (GatedMlpOptions)options.Expert;
        (int dim, int hidden) = (expert.ModelDim, expert.HiddenDim);
        map.AddLinear($"{tensors}ffn_gate_inp", $"{parameters}router", dim, options.Experts, bias: false);
        int[] into = [options.Experts, hidden, dim], outOf = [options.Experts, dim, hidden];
        for (int i = 0; i < options.Experts; i++)
        {
            string own = $"{parameters}experts.{i}.";
            map.AddRows($"{tensors}ffn_up_exps.weight", into, (long)i * hidden, hidden, $"{own}in.weight", 0);
            map.AddRows($"{tensors}ffn_gate_exps.weight", into, (long)i * hidden, hidden, $"{own}in.weight", hidden);
            map.AddRows($"{tensors}ffn_down_exps.weight", outOf, (long)i * dim, dim, $"{own}out.weight", 0);
        }

        if (options.Shared is GatedMlpOptions shared)
        {
            AddGatedMlp(map, tensors, "_shexp", $"{parameters}shared.", shared);
        }
    }
}
