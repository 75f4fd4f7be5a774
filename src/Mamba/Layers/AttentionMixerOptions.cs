using System.Globalization;
using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>The sizes and options of an <see cref="AttentionMixer"/>.</summary>
/// <example>
/// A layer of attention over the last 128 tokens among Mamba layers:
/// <code>
/// MambaMixerOptions mamba = new() { ModelDim = 256 };
/// AttentionMixerOptions attention = new() { ModelDim = 256, Heads = 4, RotaryDim = 64, Window = 128 };
/// LanguageModelConfig config = new() { VocabularySize = 512, Layers = [mamba, mamba, attention, mamba] };
/// </code>
/// </example>
public sealed record AttentionMixerOptions : MixerOptions
{
    private readonly int? _inputDim;
    private readonly int? _keyValueHeads;
    private readonly int? _headDim;

    /// <summary>Width of the input; that of the output, ModelDim, unless set.</summary>
    public int InputDim { get => _inputDim ?? ModelDim; init => _inputDim = value; }

    /// <summary>Number of query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Number of key/value heads; equal to <see cref="Heads"/> unless set.</summary>
    public int KeyValueHeads { get => _keyValueHeads ?? Heads; init => _keyValueHeads = value; }

    /// <summary>
    /// Width of a head; modelDim / heads unless set. The default requires that heads divide modelDim.
    /// </summary>
    public int HeadDim { get => _headDim ?? (Heads > 0 ? ModelDim / Heads : 0); init => _headDim = value; }

    /// <summary>Number of leading entries of a head that rotary positions rotate; 0 disables them.</summary>
    public int RotaryDim { get; init; }

    /// <summary>Base of the rotary frequencies, 1 or more.</summary>
    public double RotaryBase { get; init; } = 10000;

    /// <summary>
    /// Whether a rotary pair is two neighbours; if false, its entries are half of <see cref="RotaryDim"/> apart.
    /// </summary>
    public bool RotaryInterleaved { get; init; }

    /// <summary>Taps of a causal convolution over queries, keys and values; 0 disables it.</summary>
    public int ConvWidth { get; init; }

    /// <summary>
    /// Whether a token attends only to earlier tokens and itself. If false, it attends to the whole sequence, and the
    /// mixer has no state and no step.
    /// </summary>
    public bool Causal { get; init; } = true;

    /// <summary>Size of the sliding window in tokens, the current one included; 0 disables the window.</summary>
    public int Window { get; init; }

    /// <summary>
    /// Factor of the products of queries and keys, before the softmax; null: 1/√<see cref="HeadDim"/>. Published models
    /// with a factor on the keys alone have it in here.
    /// </summary>
    public float? Scale { get; init; }

    /// <summary>
    /// ε of an RMS norm of every query and key head, before rotary positions, with weights of its own; null disables
    /// it.
    /// </summary>
    public float? HeadNormEpsilon { get; init; }

    /// <summary>Whether the projections have biases.</summary>
    public bool Bias { get; init; }

    /// <inheritdoc/>
    public override void Validate()
    {
        Setting.RequirePositive(ModelDim, nameof(ModelDim));
        Setting.RequirePositive(InputDim, nameof(InputDim));
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
        Setting.RequireFloat(Scale ?? 1, nameof(Scale));
        Setting.RequirePositiveFloat(HeadNormEpsilon ?? 1, nameof(HeadNormEpsilon));
        Setting.Require(Causal || Window == 0, nameof(Window), "0 where Causal is false", Window);
        Setting.Require(Causal || ConvWidth == 0, nameof(ConvWidth), "0 where Causal is false", ConvWidth);
    }

    /// <inheritdoc/>
    public override string DescribeState() => string.Create(
        CultureInfo.InvariantCulture,
        $"attention (heads {Heads} of {KeyValueHeads} x {HeadDim}, rotary {RotaryDim} base {RotaryBase:R}" +
        $"{(RotaryInterleaved ? " interleaved" : "")}, window {Math.Max(ConvWidth - 1, 0)})");

    /// <summary>Whether all options have equal values, explicit or default.</summary>
    public bool Equals(AttentionMixerOptions? other) => other is not null && ToString() == other.ToString();

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(ModelDim, Heads, HeadDim);

    /// <inheritdoc/>
    public override SequenceMixer Create(Device device, Random? random, double outputScale = 1) =>
        new AttentionMixer(device, this, random, outputScale);
}
