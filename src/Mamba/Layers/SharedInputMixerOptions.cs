using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>The sizes and options of a <see cref="SharedInputMixer"/>.</summary>
/// <example>
/// Two layers that share a transformer block:
/// <code>
/// SharedInputMixerOptions shared = new()
/// {
///     ModelDim = 64,
///     Mixer = new Mamba2MixerOptions { ModelDim = 64, HeadDim = 16 },
///     Attention = new AttentionMixerOptions { ModelDim = 64, InputDim = 128, Heads = 4, HeadDim = 32 },
///     Mlp = new GatedMlpOptions { ModelDim = 64, HiddenDim = 192 },
/// };
/// LanguageModelConfig config = new() { VocabularySize = 256, Layers = [shared.Mixer, shared, shared] };
/// </code>
/// </example>
public sealed record SharedInputMixerOptions : MixerOptions
{
    /// <summary>The options of the mixer.</summary>
    public required MixerOptions Mixer { get; init; }

    /// <summary>The options of the block's attention, from twice the model's width to the model's width.</summary>
    public required AttentionMixerOptions Attention { get; init; }

    /// <summary>The options of the block's MLP.</summary>
    public required GatedMlpOptions Mlp { get; init; }

    /// <summary>The layers of a model with the same number here share one transformer block.</summary>
    public int Block { get; init; }

    /// <summary>ε of the norms of the mixer and of the block.</summary>
    public float NormEpsilon { get; init; } = 1e-5f;

    /// <summary>Rank of what this layer adds to the projections of the shared block; 0: nothing.</summary>
    public int AdapterRank { get; init; }

    /// <summary>Whether this layer adds to the queries, keys and values too; if false, to the MLP alone.</summary>
    public bool AttentionAdapters { get; init; }

    /// <inheritdoc/>
    public override void Validate()
    {
        Setting.RequirePositive(ModelDim, nameof(ModelDim));
        Setting.RequireWidth(2L * ModelDim, nameof(ModelDim), "twice the model's width");
        Setting.RequireNotNegative(Block, nameof(Block));
        Setting.RequirePositiveFloat(NormEpsilon, nameof(NormEpsilon));
        Setting.RequireNotNegative(AdapterRank, nameof(AdapterRank));
        Setting.RequireWidth(3L * AdapterRank, nameof(AdapterRank), "three adapters side by side");
        Setting.Require(
            !AttentionAdapters || AdapterRank > 0, nameof(AttentionAdapters), "false without an AdapterRank",
            AttentionAdapters);
        Setting.RequireNotNull(Mixer, nameof(Mixer), "the options of a mixer");
        Mixer.Validate();
        Setting.Require(Mixer.ModelDim == ModelDim, nameof(Mixer), $"of a ModelDim of {ModelDim}", Mixer.ModelDim);
        Setting.RequireNotNull(Attention, nameof(Attention), "the options of attention");
        Attention.Validate();
        Setting.Require(
            Attention.ModelDim == ModelDim && Attention.InputDim == 2 * ModelDim, nameof(Attention),
            $"from an InputDim of {2 * ModelDim} to a ModelDim of {ModelDim}",
            $"{Attention.InputDim} to {Attention.ModelDim}");
        Setting.RequireNotNull(Mlp, nameof(Mlp), "the options of an MLP");
        Mlp.Validate();
        Setting.Require(Mlp.ModelDim == ModelDim, nameof(Mlp), $"of a ModelDim of {ModelDim}", Mlp.ModelDim);
    }

    /// <inheritdoc/>
    public override string DescribeState() => $"shared ({Attention.DescribeState()}, {Mixer.DescribeState()})";

    /// <summary>Makes the layer with a block of its own; a model shares blocks.</summary>
    /// <inheritdoc cref="MixerOptions.Create" path="/param"/>
    /// <returns>The layer; the caller disposes it.</returns>
    public override SequenceMixer Create(Device device, Random? random, double outputScale = 1) =>
        Create(device, random, outputScale, []);

    /// <summary>Makes the layer with the block of its number, which is made if it is not there.</summary>
    internal SequenceMixer Create(
        Device device, Random? random, double outputScale, Dictionary<int, SharedTransformerBlock> blocks)
    {
        Validate();
        if (!blocks.TryGetValue(Block, out SharedTransformerBlock? block))
        {
            blocks[Block] = block = new(device, this, random, outputScale);
        }
        else if (this != block.Options with
        {
            Mixer = Mixer, AdapterRank = AdapterRank, AttentionAdapters = AttentionAdapters,
        })
        {
            throw new ArgumentException(
                $"Layers that share block {Block} have one Attention, Mlp and NormEpsilon; found {block.Options} and " +
                $"{this}.");
        }

        return new SharedInputMixer(device, this, random, outputScale, block);
    }
}
