using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>The sizes and options of a <see cref="Mamba2Mixer"/>.</summary>
/// <remarks>The defaults are those of the published implementation.</remarks>
/// <example>
/// <code>
/// Mamba2MixerOptions options = new() { ModelDim = 256, StateDim = 128, HeadDim = 64 };
/// using SequenceMixer mixer = options.Create(device, new Random(1));
/// </code>
/// </example>
public sealed record Mamba2MixerOptions : MixerOptions
{
    private readonly int? _innerDim;
    private readonly int? _ssmDim;
    private readonly bool? _outBias;

    /// <summary>Inner width of the mixer, E; 2·D unless set.</summary>
    public int InnerDim { get => _innerDim ?? (2 * ModelDim); init => _innerDim = value; }

    /// <summary>Width of the state-space part; E unless set. The other E - SsmDim channels are a gated MLP.</summary>
    public int SsmDim { get => _ssmDim ?? InnerDim; init => _ssmDim = value; }

    /// <summary>States per head, N.</summary>
    public int StateDim { get; init; } = 128;

    /// <summary>Width of a head, P.</summary>
    public int HeadDim { get; init; } = 64;

    /// <summary>Groups of heads that share B and C, G.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>Taps of the convolution, K.</summary>
    public int ConvWidth { get; init; } = 4;

    /// <summary>Whether the input projection has a bias.</summary>
    public bool Bias { get; init; }

    /// <summary>Whether the output projection has a bias; equal to <see cref="Bias"/> unless set.</summary>
    public bool OutBias { get => _outBias ?? Bias; init => _outBias = value; }

    /// <summary>Constant factors of the input projection's outputs, as in Falcon-H1; null: none.</summary>
    public Mamba2Scales? ProjectionScales { get; init; }

    /// <summary>Whether the convolution has a bias.</summary>
    public bool ConvBias { get; init; } = true;

    /// <summary>Whether D has one value per channel; if false, one per head.</summary>
    public bool DPerChannel { get; init; }

    /// <summary>
    /// Whether the output is gated by <c>silu(z)</c>. If false, the input projection makes no z, and the norm, if any,
    /// is a plain RMS norm over all channels. The MLP beside the state-space part keeps its gate.
    /// </summary>
    public bool Gate { get; init; } = true;

    /// <summary>Whether the output is normalised.</summary>
    public bool Norm { get; init; } = true;

    /// <summary>Whether the norm is applied before the gate; if false, after it.</summary>
    public bool NormBeforeGate { get; init; }

    /// <summary>
    /// Whether the gated norm runs over all channels, as in Hugging Face's Mamba-2; if false, over each group of E/G.
    /// The two differ only for more than one group.
    /// </summary>
    public bool UngroupedNorm { get; init; }

    /// <summary>ε of the norm.</summary>
    public float NormEpsilon { get; init; } = 1e-5f;

    /// <summary>Smallest initial Δ.</summary>
    public double TimeStepMin { get; init; } = 1e-3;

    /// <summary>Largest initial Δ.</summary>
    public double TimeStepMax { get; init; } = 0.1;

    /// <summary>Lower clamp of the initial Δ.</summary>
    public double TimeStepFloor { get; init; } = 1e-4;

    /// <summary>Lower limit of Δ in every forward pass.</summary>
    public float DeltaMin { get; init; }

    /// <summary>Upper limit of Δ in every forward pass.</summary>
    public float DeltaMax { get; init; } = float.PositiveInfinity;

    /// <summary>Range of the initial -A.</summary>
    public (double Low, double High) AInitRange { get; init; } = (1, 16);

    /// <summary>Whether the state before the first token is learned; if false, it is zero.</summary>
    public bool LearnableInitialState { get; init; }

    /// <summary>Tokens per chunk, Q; 0 lets the library choose. It does not change the result.</summary>
    public int ChunkLength { get; init; }

    /// <summary>Number of heads, H.</summary>
    public int Heads => HeadDim > 0 ? SsmDim / HeadDim : 0;

    /// <summary>Channels of the convolution: x, B and C.</summary>
    public int ConvDim => SsmDim + (2 * Groups * StateDim);

    /// <summary>Width of z.</summary>
    internal int GateDim => Gate ? SsmDim : 0;

    /// <inheritdoc/>
    public override void Validate()
    {
        RequireWidths(_innerDim);
        Setting.Require(SsmDim > 0 && SsmDim <= InnerDim, nameof(SsmDim), $"from 1 to InnerDim, {InnerDim}", SsmDim);
        Setting.Require(
            HeadDim > 0 && SsmDim % HeadDim == 0, nameof(HeadDim), "positive and divide SsmDim",
            $"{HeadDim} with an SsmDim of {SsmDim}");
        Setting.Require(
            Groups > 0 && Heads % Groups == 0, nameof(Groups), "positive and divide Heads",
            $"{Groups} with {Heads} heads");
        Setting.RequirePositive(StateDim, nameof(StateDim));
        long groupStates = (long)Groups * StateDim;
        Setting.RequireWidth(groupStates, nameof(StateDim), "Groups·StateDim");
        Setting.RequireWidth(
            (2L * InnerDim) + (2 * groupStates) + Heads, nameof(StateDim), "the input projection's width");
        Setting.RequirePositive(ConvWidth, nameof(ConvWidth));
        ProjectionScales?.Validate();
        Setting.RequireNotNegative(ChunkLength, nameof(ChunkLength));
        Setting.RequirePositiveFloat(NormEpsilon, nameof(NormEpsilon));
        RequireTimeSteps(TimeStepMin, TimeStepMax, TimeStepFloor);
        Setting.RequireFloat(DeltaMin, nameof(DeltaMin));
        Setting.Require(
            DeltaMax > 0 && DeltaMax >= DeltaMin, nameof(DeltaMax), "positive and at least DeltaMin",
            FormattableString.Invariant($"{DeltaMax} with a DeltaMin of {DeltaMin}"));
        (double low, double high) = AInitRange;
        Setting.RequirePositiveFloat(low, nameof(AInitRange));
        Setting.RequirePositiveFloat(high, nameof(AInitRange));
        Setting.Require(low <= high, nameof(AInitRange), "a range from a smaller to a larger number", AInitRange);
    }

    /// <inheritdoc/>
    public override string DescribeState() => FormattableString.Invariant(
        $"mamba2 (heads {Heads} x {HeadDim}, states {StateDim}, groups {Groups}, window {ConvWidth - 1})");

    /// <summary>Whether all options have equal values, explicit or default.</summary>
    public bool Equals(Mamba2MixerOptions? other) => other is not null && ToString() == other.ToString();

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(ModelDim, InnerDim, StateDim);

    /// <inheritdoc/>
    public override SequenceMixer Create(Device device, Random? random, double outputScale = 1) =>
        new Mamba2Mixer(device, this, random, outputScale);
}
