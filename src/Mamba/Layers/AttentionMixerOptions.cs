using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>The sizes and options of an <see cref="AttentionMixer"/>.</summary>
public sealed record AttentionMixerOptions : MixerOptions
{
    private readonly int? _keyValueHeads;
    private readonly int? _headDim;

    /// <summary>Heads of the queries.</summary>
    public required int Heads { get; init; }

    /// <summary>Heads of the keys and values; as many as of the queries unless set.</summary>
    public int KeyValueHeads { get => _keyValueHeads ?? Heads; init => _keyValueHeads = value; }

    /// <summary>Width of a head; modelDim / heads unless set, and then the heads must divide modelDim.</summary>
    public int HeadDim { get => _headDim ?? (Heads > 0 ? ModelDim / Heads : 0); init => _headDim = value; }

    /// <summary>Entries of a head that turn with the position; 0: there are no rotary positions.</summary>
    public int RotaryDim { get; init; }

    /// <summary>Base of the rotary frequencies, 1 or more.</summary>
    public double RotaryBase { get; init; } = 10000;

    /// <summary>Whether rotary pairs are neighbours, instead of half of <see cref="RotaryDim"/> apart.</summary>
    public bool RotaryInterleaved { get; init; }

    /// <summary>Taps of a causal convolution over queries, keys and values; 0: there is none.</summary>
    public int ConvWidth { get; init; }

    /// <summary>
    /// Whether a token sees its past and itself; otherwise it sees the whole sequence, and the mixer has no state and
    /// no step.
    /// </summary>
    public bool Causal { get; init; } = true;

    /// <summary>How many tokens a token sees, itself the last of them; 0: all before it.</summary>
    public int Window { get; init; }

    /// <summary>Whether the projections have biases.</summary>
    public bool Bias { get; init; }

    /// <inheritdoc/>
    public override void Validate()
    {
        Setting.RequirePositive(ModelDim, nameof(ModelDim));
        Setting.RequirePositive(Heads, nameof(Heads));
        Setting.Require(
            _headDim is not null || ModelDim % Heads == 0, nameof(Heads),
            "a divisor of ModelDim, unless HeadDim is set", $"{Heads} with a ModelDim of {ModelDim}");
        Setting.Require(
            KeyValueHeads > 0 && Heads % KeyValueHeads == 0, nameof(KeyValueHeads), "positive and divide Heads",
            $"{KeyValueHeads} with {Heads} heads");
        Setting.RequirePositive(HeadDim, nameof(HeadDim));
        Setting.RequireWidth(
            (Heads + (2L * KeyValueHeads)) * HeadDim, nameof(HeadDim), "queries, keys and values side by side");
        Setting.Require(
            RotaryDim >= 0 && RotaryDim <= HeadDim && RotaryDim % 2 == 0, nameof(RotaryDim),
            "even and from 0 to HeadDim", $"{RotaryDim} with a HeadDim of {HeadDim}");
        Setting.Require(
            RotaryBase >= 1 && double.IsFinite(RotaryBase), nameof(RotaryBase), "a number from 1 on", RotaryBase);
        Setting.RequireNotNegative(ConvWidth, nameof(ConvWidth));
        Setting.RequireNotNegative(Window, nameof(Window));
        Setting.Require(Causal || Window == 0, nameof(Window), "0 where Causal is false", Window);
        Setting.Require(Causal || ConvWidth == 0, nameof(ConvWidth), "0 where Causal is false", ConvWidth);
    }

    /// <summary>Whether all options have the same values, set or by default.</summary>
    public bool Equals(AttentionMixerOptions? other) => other is not null && ToString() == other.ToString();

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(ModelDim, Heads, HeadDim);

    /// <inheritdoc/>
    public override SequenceMixer Create(Device device, Random? random, double outputScale = 1) =>
        new AttentionMixer(device, this, random, outputScale);
}
