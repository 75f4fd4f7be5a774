using System.Diagnostics.CodeAnalysis;
using Mamba.Devices;
using Mamba.Orders;

namespace Mamba.Layers;

/// <summary>Which parameters the directions of a <see cref="DirectionalMixer"/> share.</summary>
public enum DirectionTying
{
    /// <summary>Nothing: each direction has its own mixer.</summary>
    None,

    /// <summary>
    /// The input and output projections and the norm. Each direction has its own convolution and state-space core
    /// (Vision Mamba's second version, Caduceus).
    /// </summary>
    Projections,

    /// <summary>All parameters except A (Vision Mamba's first version).</summary>
    AllButA,

    /// <summary>All parameters (PlainMamba).</summary>
    All,
}

/// <summary>How a <see cref="DirectionalMixer"/> combines the outputs of its directions.</summary>
public enum DirectionMerge
{
    /// <summary>Their sum.</summary>
    Sum,

    /// <summary>Their mean.</summary>
    Mean,

    /// <summary>Their element-wise product.</summary>
    Product,

    /// <summary>A weighted sum with one learned weight per direction; the initial weights give the mean.</summary>
    Learned,

    /// <summary>A weighted sum with weights per token: the softmax of a projection of the input.</summary>
    Gated,

    /// <summary>A linear projection of the concatenated outputs.</summary>
    Concat,
}

/// <summary>The stage at which a <see cref="DirectionalMixer"/> merges its directions.</summary>
public enum MergePoint
{
    /// <summary>After the state-space core; gate and norm apply to the merged output (VMamba, PlainMamba).</summary>
    Core,

    /// <summary>After gate and norm, before the output projection (Vision Mamba).</summary>
    Gate,

    /// <summary>After the output projection: the outputs of whole mixers are merged.</summary>
    Output,
}

/// <summary>
/// Options of a <see cref="DirectionalMixer"/>: one mixer, and the orders in which it scans the tokens.
/// </summary>
/// <example>
/// A mixer that scans an image of 14 × 14 patches along its rows and its columns, both ways:
/// <code>
/// ScanOrder rows = ScanOrder.Rows(14, 14), columns = ScanOrder.Columns(14, 14);
/// MixerOptions options = new DirectionalMixerOptions(
///     new MambaMixerOptions { ModelDim = 192 }, rows, rows.Reversed(), columns, columns.Reversed());
/// </code>
/// </example>
public sealed record DirectionalMixerOptions : MixerOptions
{
    /// <summary>Makes options.</summary>
    /// <param name="mixer">Options of the mixer that each direction uses.</param>
    /// <param name="orders">The scan order of each direction.</param>
    [SetsRequiredMembers]
    public DirectionalMixerOptions(MixerOptions mixer, params ReadOnlySpan<ScanOrder> orders)
    {
        ArgumentNullException.ThrowIfNull(mixer);
        (Mixer, ModelDim, Orders) = (mixer, mixer.ModelDim, [.. orders]);
    }

    /// <summary>Options of the mixer that each direction uses.</summary>
    public MixerOptions Mixer { get; }

    /// <summary>The scan order of each direction; at least one.</summary>
    public IReadOnlyList<ScanOrder> Orders { get; }

    /// <summary>Which parameters the directions share.</summary>
    public DirectionTying Tying { get; init; } = DirectionTying.Projections;

    /// <summary>How the outputs of the directions are combined.</summary>
    public DirectionMerge Merge { get; init; }

    /// <summary>The stage at which the directions are merged.</summary>
    public MergePoint MergeAt { get; init; } = MergePoint.Gate;

    /// <summary>
    /// Whether the mixer has the projections, core and gate that the directions can share and merge at.
    /// </summary>
    private bool IsRecurrent => Mixer is MambaMixerOptions or Mamba2MixerOptions or S4dMixerOptions;

    /// <inheritdoc/>
    public override void Validate()
    {
        Mixer.Validate();
        Setting.Require(
            ModelDim == Mixer.ModelDim, nameof(ModelDim), $"{Mixer.ModelDim}, as in the mixer's options", ModelDim);
        if (Orders.Count == 0 || Orders.Contains(null!))
        {
            throw new ArgumentException(
                $"Expected at least one order, and none null; found {(Orders.Count == 0 ? "none" : "null")}.");
        }

        Setting.Require(Enum.IsDefined(Tying), nameof(Tying), "one of its names", Tying);
        Setting.Require(Enum.IsDefined(Merge), nameof(Merge), "one of its names", Merge);
        Setting.Require(Enum.IsDefined(MergeAt), nameof(MergeAt), "one of its names", MergeAt);
        bool sharesParts = Tying is DirectionTying.Projections or DirectionTying.AllButA;
        if (!IsRecurrent && (sharesParts || MergeAt != MergePoint.Output))
        {
            throw new ArgumentException(
                $"Directions of {Mixer.GetType().Name} can share everything or nothing, and merge at their outputs: " +
                $"expected DirectionTying.All or DirectionTying.None with MergePoint.Output; found " +
                $"DirectionTying.{Tying} with MergePoint.{MergeAt}.");
        }

        if (Mixer is Mamba2MixerOptions mamba2 && mamba2.SsmDim < mamba2.InnerDim && MergeAt == MergePoint.Gate)
        {
            throw new ArgumentException(
                "The MLP beside the core of a Mamba-2 mixer has no directions: expected MergePoint.Core or " +
                "MergePoint.Output with an SsmDim below InnerDim; found MergePoint.Gate.");
        }

        if (Tying == DirectionTying.None && MergeAt != MergePoint.Output)
        {
            throw new ArgumentException(
                "Directions that share nothing have an output projection each, and merge behind it: expected " +
                $"MergePoint.Output with DirectionTying.None; found MergePoint.{MergeAt}.");
        }
    }

    /// <summary>Whether the mixers' options are equal and the orders are the same objects.</summary>
    public bool Equals(DirectionalMixerOptions? other) =>
        other is not null
        && (Mixer, ModelDim, Tying, Merge, MergeAt)
            == (other.Mixer, other.ModelDim, other.Tying, other.Merge, other.MergeAt)
        && Orders.SequenceEqual(other.Orders);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Mixer, Orders.Count, Tying, Merge, MergeAt);

    /// <inheritdoc/>
    public override SequenceMixer Create(Device device, Random? random, double outputScale = 1) =>
        new DirectionalMixer(device, this, random, outputScale);
}
