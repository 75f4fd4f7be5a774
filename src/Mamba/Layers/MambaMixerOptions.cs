using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>The sizes and options of a <see cref="MambaMixer"/>.</summary>
/// <remarks>The defaults are those of the published implementation.</remarks>
/// <example>
/// <code>
/// MambaMixerOptions options = new() { ModelDim = 256, StateDim = 16, ConvWidth = 4 };
/// using SequenceMixer mixer = options.Create(device, new Random(1));
/// </code>
/// </example>
public sealed record MambaMixerOptions : MixerOptions
{
    private readonly int? _innerDim;
    private readonly int? _timeStepRank;

    /// <summary>Inner width of the mixer, E; 2·D unless set.</summary>
    public int InnerDim { get => _innerDim ?? (2 * ModelDim); init => _innerDim = value; }

    /// <summary>States per channel, N.</summary>
    public int StateDim { get; init; } = 16;

    /// <summary>Taps of the convolution, K.</summary>
    public int ConvWidth { get; init; } = 4;

    /// <summary>Rank of the Δ projection, R; ⌈D/16⌉ unless set.</summary>
    public int TimeStepRank { get => _timeStepRank ?? (((ModelDim - 1) / 16) + 1); init => _timeStepRank = value; }

    /// <summary>Whether the input and output projections have biases.</summary>
    public bool Bias { get; init; }

    /// <summary>Whether the convolution has a bias.</summary>
    public bool ConvBias { get; init; } = true;

    /// <summary>Whether the output is gated by <c>silu(z)</c>; if false, the input projection makes no z.</summary>
    public bool Gate { get; init; } = true;

    /// <summary>Smallest initial Δ.</summary>
    public double TimeStepMin { get; init; } = 1e-3;

    /// <summary>Largest initial Δ.</summary>
    public double TimeStepMax { get; init; } = 0.1;

    /// <summary>Lower clamp of the initial Δ.</summary>
    public double TimeStepFloor { get; init; } = 1e-4;

    /// <summary>Scale of the Δ projection's initial weights.</summary>
    public double TimeStepScale { get; init; } = 1;

    /// <summary>Whether the Δ projection's initial weights are constant; if false, they are uniform random.</summary>
    public bool ConstantTimeStepWeights { get; init; }

    /// <summary>ε of the RMS norms of Δ, B and C, as in Falcon-Mamba and Jamba; null disables them.</summary>
    public float? ParameterNormEpsilon { get; init; }

    /// <summary>
    /// Whether the norms of Δ, B and C have weights, as in Jamba; if false, none, as in Falcon-Mamba.
    /// </summary>
    public bool ParameterNormWeights { get; init; }

    /// <summary>Whether the state before the first token is learned; if false, it is zero.</summary>
    public bool LearnableInitialState { get; init; }

    /// <inheritdoc/>
    public override void Validate()
    {
        RequireWidths(_innerDim);
        Setting.RequirePositive(StateDim, nameof(StateDim));
        Setting.RequirePositive(ConvWidth, nameof(ConvWidth));
        Setting.RequirePositive(TimeStepRank, nameof(TimeStepRank));
        Setting.RequireWidth(TimeStepRank + (2L * StateDim), nameof(StateDim), "Δ, B and C side by side");
        RequireTimeSteps(TimeStepMin, TimeStepMax, TimeStepFloor);
        Setting.RequireFloat(TimeStepScale, nameof(TimeStepScale));
        Setting.RequirePositiveFloat(ParameterNormEpsilon ?? 1, nameof(ParameterNormEpsilon));
        Setting.Require(
            !ParameterNormWeights || ParameterNormEpsilon is not null, nameof(ParameterNormWeights),
            "false without a ParameterNormEpsilon", ParameterNormWeights);
    }

    /// <inheritdoc/>
    public override string DescribeState() => FormattableString.Invariant(
        $"mamba1 (channels {InnerDim}, states {StateDim}, window {ConvWidth - 1})");

    /// <summary>Whether all options have equal values, explicit or default.</summary>
    public bool Equals(MambaMixerOptions? other) => other is not null && ToString() == other.ToString();

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(ModelDim, InnerDim, StateDim);

    /// <inheritdoc/>
    public override SequenceMixer Create(Device device, Random? random, double outputScale = 1) =>
        new MambaMixer(device, this, random, outputScale);
}
