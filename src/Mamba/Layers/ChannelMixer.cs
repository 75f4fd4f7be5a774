using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>
/// A layer that mixes the channels of each token alone, such as an MLP or a mixture of experts, in a model's list of
/// layers. Its state is empty.
/// </summary>
/// <remarks>
/// Hybrid models alternate layers that mix tokens and layers that mix channels, each on a residual branch of its own:
/// <see cref="ChannelMixerOptions"/> put the latter between the former.
/// </remarks>
/// <example>
/// <code>
/// GatedMlpOptions mlp = new() { ModelDim = 64, HiddenDim = 192 };
/// LanguageModelConfig config = new()
/// {
///     VocabularySize = 256,
///     Layers = [new MambaMixerOptions { ModelDim = 64 }, mlp, new S4dMixerOptions { ModelDim = 64 }, mlp],
/// };
/// </code>
/// </example>
public sealed class ChannelMixer : SequenceMixer
{
    private readonly int _modelDim;

    /// <summary>Makes the mixer.</summary>
    /// <param name="layer">Computes each token, [.., modelDim], alone. This mixer frees it.</param>
    /// <param name="modelDim">Width of the model.</param>
    /// <exception cref="ArgumentException">The layer is no <see cref="Module"/>.</exception>
    public ChannelMixer(ILayer layer, int modelDim)
        : base(Part(layer, nameof(layer)).Device)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(modelDim);
        (Layer, _modelDim) = (layer, modelDim);
        AddModule(Part(layer, nameof(layer)));
    }

    /// <summary>The layer. Its parts and parameters have the same names in this mixer.</summary>
    public ILayer Layer { get; }

    /// <inheritdoc/>
    public override LayerState CreateState(int batch) =>
        new EmptyState(Device, batch, canRecord: Layer is GatedMlp or Mlp);

    /// <inheritdoc/>
    public override DeviceArray Forward(DeviceArray x, LayerState? state = null, Segments? segments = null)
    {
        using StateUse use = new(state);
        Require(x, _modelDim, state, segments);
        return Layer.Forward(x);
    }

    /// <inheritdoc/>
    public override DeviceArray Step(DeviceArray x, LayerState state, StateSlots? slots = null)
    {
        ArgumentNullException.ThrowIfNull(state);
        using StateUse use = new(state);
        Require(x, _modelDim, state, null, slots);
        return Layer.Forward(x);
    }

    /// <inheritdoc/>
    public override bool Fits(LayerState state) => state is EmptyState && state.Device == Device;
}
