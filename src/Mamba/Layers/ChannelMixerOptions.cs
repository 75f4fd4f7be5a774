using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>The sizes and options of a layer that mixes the channels of each token alone.</summary>
/// <example>
/// <code>
/// ChannelMixerOptions options = new GatedMlpOptions { ModelDim = 64, HiddenDim = 192 };
/// ILayer mlp = options.CreateLayer(device, random);
/// </code>
/// </example>
public abstract record ChannelMixerOptions : MixerOptions
{
    /// <summary>Makes options.</summary>
    protected ChannelMixerOptions()
    {
    }

    /// <summary>Makes the layer by itself, without an empty state around it.</summary>
    /// <inheritdoc cref="MixerOptions.Create" path="/param"/>
    /// <returns>The layer, a <see cref="Module"/>; the caller disposes it.</returns>
    public abstract ILayer CreateLayer(Device device, Random? random, double outputScale = 1);

    /// <inheritdoc/>
    public sealed override SequenceMixer Create(Device device, Random? random, double outputScale = 1) =>
        new ChannelMixer(CreateLayer(device, random, outputScale), ModelDim);

    /// <inheritdoc/>
    public sealed override string DescribeState() => "no state";
}
