using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>
/// Attention and an MLP without residual connections, whose input is the residual stream beside the embeddings. Several
/// layers share it.
/// </summary>
/// <remarks>Glorioso et al., Zamba2, <see href="https://arxiv.org/abs/2411.15242"/>, section 2.</remarks>
/// <example>
/// <code>
/// SharedTransformerBlock block = ((SharedInputMixer)model.Blocks[1].Mixer).Shared;
/// Console.WriteLine(block.ParameterCount);
/// </code>
/// </example>
public sealed class SharedTransformerBlock : Module
{
    internal SharedTransformerBlock(
        Device device, SharedInputMixerOptions options, Random? random, double outputScale)
        : base(device)
    {
        Options = options;
        InputNorm = AddModule("input_norm", new RmsNorm(device, 2 * options.ModelDim, options.NormEpsilon));
        Attention = AddModule("attention", new AttentionMixer(device, options.Attention, random, outputScale));
        MlpNorm = AddModule("mlp_norm", new RmsNorm(device, options.ModelDim, options.NormEpsilon));
        Mlp = AddModule("mlp", new GatedMlp(device, options.Mlp, random, outputScale));
    }

    /// <summary>The norm of stream and embeddings side by side.</summary>
    public RmsNorm InputNorm { get; }

    /// <summary>Attention, from twice the model's width to the model's width.</summary>
    public AttentionMixer Attention { get; }

    /// <summary>The norm between attention and MLP.</summary>
    public RmsNorm MlpNorm { get; }

    /// <summary>The MLP.</summary>
    public GatedMlp Mlp { get; }

    /// <summary>The options of the layer that made the block.</summary>
    internal SharedInputMixerOptions Options { get; }

    /// <summary>The block after attention has been computed.</summary>
    /// <param name="attended">The output of attention, shape [batch, length, modelDim].</param>
    /// <param name="adapter">What a layer adds to the MLP's first projection; null: nothing.</param>
    internal DeviceArray Finish(DeviceArray attended, LowRankProjection? adapter)
    {
        DeviceArray normed = MlpNorm.Forward(attended);
        return Mlp.Forward(normed, adapter?.Forward(normed) ?? default);
    }
}
