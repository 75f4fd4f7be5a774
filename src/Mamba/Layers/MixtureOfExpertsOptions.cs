using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>The sizes and options of a <see cref="MixtureOfExperts"/>.</summary>
/// <example>
/// <code>
/// MixtureOfExpertsOptions options = new()
/// {
///     ModelDim = 64, Experts = 8, ExpertsPerToken = 2, Expert = new GatedMlpOptions { ModelDim = 64, HiddenDim = 96 },
/// };
/// using SequenceMixer layer = options.Create(device, random);
/// </code>
/// </example>
public sealed record MixtureOfExpertsOptions : ChannelMixerOptions
{
    /// <summary>Number of experts, E.</summary>
    public required int Experts { get; init; }

    /// <summary>Number of experts that a token passes through, k.</summary>
    public required int ExpertsPerToken { get; init; }

    /// <summary>The options of each expert. Its width is that of the model, or <see cref="LatentDim"/>.</summary>
    public required ChannelMixerOptions Expert { get; init; }

    /// <summary>A layer that every token passes through besides its experts; null: none.</summary>
    public ChannelMixerOptions? Shared { get; init; }

    /// <summary>How experts are chosen and weighted.</summary>
    public ExpertRouting Routing { get; init; } = ExpertRouting.SoftmaxOfChosen;

    /// <summary>
    /// Groups of neighbouring experts; a token's experts are in <see cref="GroupsPerToken"/> of them, those with the
    /// largest sums of two scores. <see cref="ExpertRouting.Sigmoid"/> only.
    /// </summary>
    public int Groups { get; init; } = 1;

    /// <summary>Groups that a token's experts are in.</summary>
    public int GroupsPerToken { get; init; } = 1;

    /// <summary>
    /// Whether the weights of a token's experts are divided by their sum. <see cref="ExpertRouting.Sigmoid"/> only.
    /// </summary>
    public bool NormalizeWeights { get; init; }

    /// <summary>Constant factor of the experts' weights.</summary>
    public float WeightScale { get; init; } = 1;

    /// <summary>
    /// Width of a projection that the experts, but not the router and the shared layer, work on; 0: none.
    /// </summary>
    public int LatentDim { get; init; }

    /// <summary>Width of the experts' input and output.</summary>
    internal int ExpertDim => LatentDim > 0 ? LatentDim : ModelDim;

    /// <inheritdoc/>
    public override void Validate()
    {
        Setting.RequirePositive(ModelDim, nameof(ModelDim));
        Setting.RequirePositive(Experts, nameof(Experts));
        Setting.Require(
            ExpertsPerToken > 0 && ExpertsPerToken <= Experts, nameof(ExpertsPerToken), $"from 1 to Experts, {Experts}",
            ExpertsPerToken);
        Setting.Require(Enum.IsDefined(Routing), nameof(Routing), "one of the named rules", Routing);
        Setting.Require(
            Groups > 0 && Experts % Groups == 0, nameof(Groups), "positive and divide Experts",
            $"{Groups} with {Experts} experts");
        Setting.Require(
            GroupsPerToken > 0 && GroupsPerToken <= Groups, nameof(GroupsPerToken), $"from 1 to Groups, {Groups}",
            GroupsPerToken);
        Setting.Require(
            ExpertsPerToken <= GroupsPerToken * (Experts / Groups), nameof(ExpertsPerToken),
            $"at most the {GroupsPerToken * (Experts / Groups)} experts of GroupsPerToken groups", ExpertsPerToken);
        bool isSigmoid = Routing == ExpertRouting.Sigmoid;
        Setting.Require(isSigmoid || Groups == 1, nameof(Groups), "1 unless Routing is Sigmoid", Groups);
        Setting.Require(
            isSigmoid || !NormalizeWeights, nameof(NormalizeWeights), "false unless Routing is Sigmoid",
            NormalizeWeights);
        Setting.RequireFinite(WeightScale, nameof(WeightScale));
        Setting.RequireNotNegative(LatentDim, nameof(LatentDim));
        Setting.RequireNotNull(Expert, nameof(Expert), "the options of a layer");
        Expert.Validate();
        Setting.Require(
            Expert.ModelDim == ExpertDim, nameof(Expert), $"of a ModelDim of {ExpertDim}", Expert.ModelDim);
        Shared?.Validate();
        Setting.Require(
            Shared is null || Shared.ModelDim == ModelDim, nameof(Shared), $"of a ModelDim of {ModelDim}",
            Shared?.ModelDim);
    }

    /// <inheritdoc/>
    public override ILayer CreateLayer(Device device, Random? random, double outputScale = 1) =>
        new MixtureOfExperts(device, this, random, outputScale);
}
