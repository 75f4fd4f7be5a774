using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>The sizes and options of an <see cref="AttentionMixer"/>.</summary>
public sealed record AttentionMixerOptions : MixerOptions
{
    /// <summary>Heads of the queries.</summary>
    public required int Heads { get; init; }

    /// <summary>Heads of the keys and values; as many as of the queries unless set.</summary>
    public int KeyValueHeads { get => field != 0 ? field : Heads; init; }

    /// <summary>Width of a head; modelDim / heads unless set.</summary>
    public int HeadDim { get => field != 0 ? field : ModelDim / Heads; init; }

    /// <summary>Entries of a head that turn with the position; 0: there are no rotary positions.</summary>
    public int RotaryDim { get; init; }

    /// <summary>Base of the rotary frequencies.</summary>
    public double RotaryBase { get; init; } = 10000;

    /// <summary>Whether rotary pairs are neighbours, instead of half of <see cref="RotaryDim"/> apart.</summary>
    public bool RotaryInterleaved { get; init; }

    /// <summary>Taps of a causal convolution over queries, keys and values; 0: there is none.</summary>
    public int ConvWidth { get; init; }

    /// <summary>Whether the projections have biases.</summary>
    public bool Bias { get; init; }

    /// <inheritdoc/>
    public override void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ModelDim);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Heads);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(HeadDim);
        ArgumentOutOfRangeException.ThrowIfNegative(RotaryDim);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(RotaryDim, HeadDim);
        ArgumentOutOfRangeException.ThrowIfNegative(ConvWidth);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(RotaryBase);
        RequireMultiple(Heads, KeyValueHeads, nameof(Heads), nameof(KeyValueHeads));
        RequireMultiple(RotaryDim, 2, nameof(RotaryDim), "a pair");
    }

    internal override SequenceMixer Create(Device device, Random? random, double outputScale) =>
        new AttentionMixer(device, this, random, outputScale);
}
