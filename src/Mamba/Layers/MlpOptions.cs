using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>The sizes and options of an <see cref="Mlp"/>.</summary>
/// <example>
/// <code>
/// MlpOptions options = new() { ModelDim = 64, HiddenDim = 256, Activation = Activation.SquaredRelu, Bias = false };
/// using SequenceMixer layer = options.Create(device, random);
/// </code>
/// </example>
public sealed record MlpOptions : ChannelMixerOptions
{
    /// <summary>Hidden width.</summary>
    public required int HiddenDim { get; init; }

    /// <summary>The function between the projections.</summary>
    public Activation Activation { get; init; } = Activation.Gelu;

    /// <summary>Whether the projections have biases.</summary>
    public bool Bias { get; init; } = true;

    /// <inheritdoc/>
    public override void Validate()
    {
        Setting.RequirePositive(ModelDim, nameof(ModelDim));
        Setting.RequirePositive(HiddenDim, nameof(HiddenDim));
        Activations.Require(Activation);
    }

    /// <inheritdoc/>
    public override ILayer CreateLayer(Device device, Random? random, double outputScale = 1) =>
        new Mlp(device, this, random, outputScale);
}
