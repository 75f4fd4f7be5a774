using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>The sizes and options of a <see cref="GatedMlp"/>.</summary>
/// <example>
/// <code>
/// GatedMlpOptions options = new() { ModelDim = 64, HiddenDim = 192, Activation = Activation.Gelu };
/// using SequenceMixer layer = options.Create(device, random);
/// </code>
/// </example>
public sealed record GatedMlpOptions : ChannelMixerOptions
{
    /// <summary>Hidden width.</summary>
    public required int HiddenDim { get; init; }

    /// <summary>The function of the gate; silu makes it SwiGLU.</summary>
    public Activation Activation { get; init; } = Activation.Silu;

    /// <summary>Whether the projections have biases.</summary>
    public bool Bias { get; init; }

    /// <summary>Constant factor of the gate, before its activation.</summary>
    public float GateScale { get; init; } = 1;

    /// <summary>Constant factor of the output.</summary>
    public float OutScale { get; init; } = 1;

    /// <inheritdoc/>
    public override void Validate()
    {
        Setting.RequirePositive(ModelDim, nameof(ModelDim));
        Setting.RequirePositive(HiddenDim, nameof(HiddenDim));
        Setting.RequireWidth(2L * HiddenDim, nameof(HiddenDim), "twice the hidden width");
        Activations.Require(Activation);
        Setting.RequireFinite(GateScale, nameof(GateScale));
        Setting.RequireFinite(OutScale, nameof(OutScale));
    }

    /// <inheritdoc/>
    public override ILayer CreateLayer(Device device, Random? random, double outputScale = 1) =>
        new GatedMlp(device, this, random, outputScale);
}
