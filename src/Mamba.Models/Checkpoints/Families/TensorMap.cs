using Mamba.Layers;

namespace Mamba.Models.Checkpoints.Families;

/// <summary>
/// The tensors of a checkpoint and the parameters that hold them: a table that a family of models fills from a
/// configuration, before there is a model.
/// </summary>
internal sealed class TensorMap
{
    private readonly List<TensorPart> _parts = [];

    /// <summary>The table. Parts of one parameter are neighbours.</summary>
    public IReadOnlyList<TensorPart> Parts => _parts;

    public void Add(TensorPart part) => _parts.Add(part);

    /// <summary>A tensor that is a whole parameter.</summary>
    public void Add(string tensor, string parameter, params int[] shape) => _parts.Add(new(tensor, shape, parameter));

    /// <summary>Some rows of a matrix, or elements of a vector, that are rows of a parameter.</summary>
    /// <param name="tensor">The tensor; all axes but the last count as rows.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="from">The first row in the tensor.</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="to">The first row in the parameter.</param>
    public void AddRows(string tensor, int[] shape, long from, long count, string parameter, long to)
    {
        int width = shape.Length > 1 ? shape[^1] : 1;
        _parts.Add(new(tensor, shape, parameter) { Start = from * width, Count = count * width, Place = to * width });
    }

    /// <summary>The weight and the bias of a projection, which are rows of a projection of the model.</summary>
    public void AddLinear(string tensor, string parameter, int input, int output, bool bias, int to = 0)
    {
        AddRows($"{tensor}.weight", [output, input], 0, output, $"{parameter}.weight", to);
        if (bias)
        {
            AddRows($"{tensor}.bias", [output], 0, output, $"{parameter}.bias", to);
        }
    }

    /// <summary>Some projections side by side in one of the model.</summary>
    /// <param name="parameter">The model's projection.</param>
    /// <param name="input">Width of the input.</param>
    /// <param name="bias">Whether there are biases.</param>
    /// <param name="parts">The projections in the checkpoint, and their widths.</param>
    public void AddLinears(
        string parameter, int input, bool bias, params ReadOnlySpan<(string Tensor, int Output)> parts)
    {
        foreach (string kind in bias ? ["weight", "bias"] : (string[])["weight"])
        {
            int to = 0;
            foreach ((string tensor, int output) in parts)
            {
                int[] shape = kind == "weight" ? [output, input] : [output];
                AddRows($"{tensor}.{kind}", shape, 0, output, $"{parameter}.{kind}", to);
                to += output;
            }
        }
    }

    /// <summary>A Mamba or Mamba-2 mixer named <c>mamba</c>, or attention named <c>self_attn</c>.</summary>
    /// <inheritdoc cref="AddMamba" path="/param"/>
    public void AddMixer(string tensors, string parameters, MixerOptions options)
    {
        switch (options)
        {
            case MambaMixerOptions mamba:
                AddMamba($"{tensors}mamba.", parameters, mamba);
                break;
            case Mamba2MixerOptions mamba2:
                AddMamba2($"{tensors}mamba.", parameters, mamba2);
                break;
            default:
                AddAttention($"{tensors}self_attn.", parameters, (AttentionMixerOptions)options);
                break;
        }
    }

    /// <summary>A Mamba-1 mixer.</summary>
    /// <param name="tensors">Prefix of the tensors' names.</param>
    /// <param name="parameters">Prefix of the parameters' names.</param>
    /// <param name="options">The mixer's options.</param>
    public void AddMamba(string tensors, string parameters, MambaMixerOptions options)
    {
        (int inner, int states, int rank) = (options.InnerDim, options.StateDim, options.TimeStepRank);
        AddLinear($"{tensors}in_proj", $"{parameters}in_projection", options.ModelDim, 2 * inner, options.Bias);
        AddConvolution(tensors, parameters, inner, options.ConvWidth, options.ConvBias);
        AddLinear($"{tensors}x_proj", $"{parameters}x_projection", inner, rank + (2 * states), bias: false);
        AddLinear($"{tensors}dt_proj", $"{parameters}dt_projection", rank, inner, bias: true);
        _parts.Add(new($"{tensors}A_log", [inner, states], $"{parameters}a_log", WeightLayout.Transposed));
        Add($"{tensors}D", $"{parameters}d", inner);
        if (options.ParameterNormWeights)
        {
            Add($"{tensors}dt_layernorm.weight", $"{parameters}dt_norm.weight", rank);
            Add($"{tensors}b_layernorm.weight", $"{parameters}b_norm.weight", states);
            Add($"{tensors}c_layernorm.weight", $"{parameters}c_norm.weight", states);
        }

        AddLinear($"{tensors}out_proj", $"{parameters}out_projection", inner, options.ModelDim, options.Bias);
    }

    /// <summary>A Mamba-2 mixer.</summary>
    /// <inheritdoc cref="AddMamba" path="/param"/>
    public void AddMamba2(string tensors, string parameters, Mamba2MixerOptions options)
    {
        int inner = options.InnerDim, projected = options.GateDim + options.ConvDim + options.Heads;
        AddLinear($"{tensors}in_proj", $"{parameters}in_projection", options.ModelDim, projected, options.Bias);
        AddConvolution(tensors, parameters, options.ConvDim, options.ConvWidth, options.ConvBias);
        Add($"{tensors}dt_bias", $"{parameters}dt_bias", options.Heads);
        Add($"{tensors}A_log", $"{parameters}a_log", options.Heads);
        Add($"{tensors}D", $"{parameters}d", options.Heads);
        if (options.Norm)
        {
            Add($"{tensors}norm.weight", $"{parameters}norm.weight", inner);
        }

        AddLinear($"{tensors}out_proj", $"{parameters}out_projection", inner, options.ModelDim, options.OutBias);
    }

    /// <summary>An attention mixer whose queries, keys and values have projections of their own.</summary>
    /// <inheritdoc cref="AddMamba" path="/param"/>
    public void AddAttention(string tensors, string parameters, AttentionMixerOptions options)
    {
        int queries = options.Heads * options.HeadDim, keys = options.KeyValueHeads * options.HeadDim;
        AddLinears(
            $"{parameters}in_projection",
            options.InputDim,
            options.Bias,
            ($"{tensors}q_proj", queries),
            ($"{tensors}k_proj", keys),
            ($"{tensors}v_proj", keys));
        AddLinear($"{tensors}o_proj", $"{parameters}out_projection", queries, options.ModelDim, options.Bias);
    }

    /// <summary>A gated MLP whose gate, up and down projections have names of their own.</summary>
    /// <inheritdoc cref="AddMamba" path="/param"/>
    public void AddGatedMlp(string tensors, string parameters, GatedMlpOptions options)
    {
        AddLinears(
            $"{parameters}in",
            options.ModelDim,
            options.Bias,
            ($"{tensors}up_proj", options.HiddenDim),
            ($"{tensors}gate_proj", options.HiddenDim));
        AddLinear($"{tensors}down_proj", $"{parameters}out", options.HiddenDim, options.ModelDim, options.Bias);
    }

    /// <summary>An MLP with an up and a down projection.</summary>
    /// <inheritdoc cref="AddMamba" path="/param"/>
    public void AddMlp(string tensors, string parameters, MlpOptions options)
    {
        AddLinear($"{tensors}up_proj", $"{parameters}in", options.ModelDim, options.HiddenDim, options.Bias);
        AddLinear($"{tensors}down_proj", $"{parameters}out", options.HiddenDim, options.ModelDim, options.Bias);
    }

    /// <summary>
    /// A gated MLP, or several, whose gate and up projections are the halves of one matrix, the gate first.
    /// </summary>
    /// <param name="input">The tensor of the first projection, [2·hidden, model] or [mlps, 2·hidden, model].</param>
    /// <param name="output">The tensor of the second projection.</param>
    /// <param name="parameters">Prefixes of the parameters' names of each MLP.</param>
    /// <param name="options">The options of each MLP.</param>
    /// <param name="isStacked">Whether the tensors have the axis of MLPs.</param>
    public void AddGateFirst(
        string input, string output, IReadOnlyList<string> parameters, GatedMlpOptions options, bool isStacked)
    {
        (int model, int hidden) = (options.ModelDim, options.HiddenDim);
        int[] stack = isStacked ? [parameters.Count] : [];
        for (int i = 0; i < parameters.Count; i++)
        {
            int[] shape = [.. stack, 2 * hidden, model];
            long from = 2L * hidden * i;
            AddRows(input, shape, from, hidden, $"{parameters[i]}in.weight", hidden);
            AddRows(input, shape, from + hidden, hidden, $"{parameters[i]}in.weight", 0);
            AddRows(output, [.. stack, model, hidden], (long)model * i, model, $"{parameters[i]}out.weight", 0);
        }
    }

    /// <summary>A depthwise convolution.</summary>
    public void AddConvolution(string tensors, string parameters, int channels, int width, bool bias)
    {
        _parts.Add(new(
            $"{tensors}conv1d.weight", [channels, 1, width], $"{parameters}convolution.weight",
            WeightLayout.Convolution));
        if (bias)
        {
            Add($"{tensors}conv1d.bias", $"{parameters}convolution.bias", channels);
        }
    }
}
