using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>The sizes and options of a <see cref="PlamoMixer"/>.</summary>
/// <example>
/// <code>
/// PlamoMixerOptions options = new() { ModelDim = 64, Heads = 4, HeadDim = 32, StateDim = 16 };
/// using SequenceMixer mixer = options.Create(device, random);
/// </code>
/// </example>
public sealed record PlamoMixerOptions : MixerOptions
{
    private readonly int? _timeStepRank;

    /// <summary>Number of heads, H.</summary>
    public required int Heads { get; init; }

    /// <summary>Width of a head, P.</summary>
    public required int HeadDim { get; init; }

    /// <summary>States per head, N.</summary>
    public int StateDim { get; init; } = 64;

    /// <summary>Taps of the convolution, K.</summary>
    public int ConvWidth { get; init; } = 4;

    /// <summary>Rank of the Δ projection, R; the larger of 64 and D/16 unless set.</summary>
    public int TimeStepRank { get => _timeStepRank ?? Math.Max(64, ModelDim / 16); init => _timeStepRank = value; }

    /// <summary>ε of the norms of Δ, B and C.</summary>
    public float NormEpsilon { get; init; } = 1e-6f;

    /// <summary>Whether the state before the first token is learned; if false, it is zero.</summary>
    public bool LearnableInitialState { get; init; }

    /// <summary>Inner width, E.</summary>
    public int InnerDim => Heads * HeadDim;

    /// <inheritdoc/>
    public override void Validate()
    {
        Setting.RequirePositive(ModelDim, nameof(ModelDim));
        Setting.RequirePositive(Heads, nameof(Heads));
        Setting.RequirePositive(HeadDim, nameof(HeadDim));
        Setting.RequireWidth(2L * Heads * HeadDim, nameof(HeadDim), "twice the inner width");
        Setting.RequirePositive(StateDim, nameof(StateDim));
        Setting.RequirePositive(ConvWidth, nameof(ConvWidth));
        Setting.RequirePositive(TimeStepRank, nameof(TimeStepRank));
        Setting.RequireWidth(TimeStepRank + (2L * StateDim), nameof(StateDim), "B, C and Δ side by side");
        Setting.RequirePositiveFloat(NormEpsilon, nameof(NormEpsilon));
    }

    /// <inheritdoc/>
    public override string DescribeState() => FormattableString.Invariant(
        $"plamo2 (heads {Heads} x {HeadDim}, states {StateDim}, window {ConvWidth - 1})");

    /// <summary>Whether all options have equal values, explicit or default.</summary>
    public bool Equals(PlamoMixerOptions? other) => other is not null && ToString() == other.ToString();

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(ModelDim, Heads, HeadDim);

    /// <inheritdoc/>
    public override SequenceMixer Create(Device device, Random? random, double outputScale = 1) =>
        new PlamoMixer(device, this, random, outputScale);
}
