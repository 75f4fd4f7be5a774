using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>The sizes and options of an <see cref="S4dMixer"/>.</summary>
/// <remarks>The defaults equal those of <see cref="MambaMixerOptions"/>, so that the two can be compared.</remarks>
/// <example>
/// <code>
/// S4dMixerOptions options = new() { ModelDim = 256, StateDim = 16 };
/// using SequenceMixer mixer = options.Create(device, new Random(1));
/// </code>
/// </example>
public sealed record S4dMixerOptions : MixerOptions
{
    private readonly int? _innerDim;

    /// <summary>Inner width of the mixer, E; 2·D unless set.</summary>
    public int InnerDim { get => _innerDim ?? (2 * ModelDim); init => _innerDim = value; }

    /// <summary>Real numbers in a channel's state, N. A complex A has N/2 values of two numbers each.</summary>
    public int StateDim { get; init; } = 16;

    /// <summary>
    /// Whether A and C are complex, initialised as S4D-Lin; if false, they are real, initialised as S4D-Real.
    /// </summary>
    public bool IsComplex { get; init; } = true;

    /// <summary>Taps of the convolution, K.</summary>
    public int ConvWidth { get; init; } = 4;

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

    /// <summary>Whether the state before the first token is learned; if false, it is zero.</summary>
    public bool LearnableInitialState { get; init; }

    /// <summary>Values of A per channel: N if real, N/2 if complex, each for a conjugate pair.</summary>
    public int States => IsComplex ? StateDim / 2 : StateDim;

    /// <summary>Shape of A, C and h of one sequence.</summary>
    internal Shape StateShape => IsComplex ? [2, States, InnerDim] : [States, InnerDim];

    /// <inheritdoc/>
    public override void Validate()
    {
        RequireWidths(_innerDim);
        Setting.RequirePositive(StateDim, nameof(StateDim));
        Setting.Require(!IsComplex || StateDim % 2 == 0, nameof(StateDim), "even where A is complex", StateDim);
        Setting.RequireWidth((long)StateDim * InnerDim, nameof(StateDim), "the number of states of all channels");
        Setting.RequirePositive(ConvWidth, nameof(ConvWidth));
        RequireTimeSteps(TimeStepMin, TimeStepMax, TimeStepFloor);
    }

    /// <inheritdoc/>
    public override string DescribeState() => FormattableString.Invariant(
        $"s4d (channels {InnerDim}, states {States}{(IsComplex ? " complex" : "")}, window {ConvWidth - 1})");

    /// <summary>Whether all options have equal values, explicit or default.</summary>
    public bool Equals(S4dMixerOptions? other) => other is not null && ToString() == other.ToString();

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(ModelDim, InnerDim, StateDim);

    /// <inheritdoc/>
    public override SequenceMixer Create(Device device, Random? random, double outputScale = 1) =>
        new S4dMixer(device, this, random, outputScale);
}
