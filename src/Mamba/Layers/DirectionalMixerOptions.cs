using System.Diagnostics.CodeAnalysis;
using Mamba.Devices;
using Mamba.Orders;

namespace Mamba.Layers;

/// <summary>What the directions of a <see cref="DirectionalMixer"/> share.</summary>
public enum DirectionTying
{
    /// <summary>Nothing: each direction has a mixer of its own.</summary>
    None,

    /// <summary>
    /// The input and output projections and the norm; each direction has a convolution and a state-space core of its
    /// own (Vision Mamba's second version, Caduceus).
    /// </summary>
    Projections,

    /// <summary>All but A (Vision Mamba's first version).</summary>
    AllButA,

    /// <summary>Everything (PlainMamba).</summary>
    All,
}

/// <summary>How a <see cref="DirectionalMixer"/> makes one output of those of its directions.</summary>
public enum DirectionMerge
{
    /// <summary>Their sum.</summary>
    Sum,

    /// <summary>Their mean.</summary>
    Mean,

    /// <summary>Their product, element by element.</summary>
    Product,

    /// <summary>Their sum with a learned weight for each direction, which begins as the mean.</summary>
    Learned,

    /// <summary>Their sum with weights for each token: the softmax of a projection of the input.</summary>
    Gated,

    /// <summary>A projection of all of them side by side.</summary>
    Concat,
}

/// <summary>Where a <see cref="DirectionalMixer"/> merges its directions.</summary>
public enum MergePoint
{
    /// <summary>Behind the state-space core: gate and norm see the merged output (VMamba, PlainMamba).</summary>
    Core,

    /// <summary>Behind gate and norm, in front of the output projection (Vision Mamba).</summary>
    Gate,

    /// <summary>Behind the output projection: whole mixers are merged.</summary>
    Output,
}

/// <summary>Options of a <see cref="DirectionalMixer"/>: one mixer, and the orders in which it reads the tokens.</summary>
/// <example>
/// A mixer that reads a picture of 14 × 14 patches along its rows and its columns, both ways:
/// <code>
/// ScanOrder rows = ScanOrder.Rows(14, 14), columns = ScanOrder.Columns(14, 14);
/// MixerOptions options = new DirectionalMixerOptions(
///     new MambaMixerOptions { ModelDim = 192 }, rows, rows.Reversed(), columns, columns.Reversed());
/// </code>
/// </example>
public sealed record DirectionalMixerOptions : MixerOptions
{
    /// <summary>Makes options.</summary>
    /// <param name="mixer">Options of the mixer of each direction.</param>
    /// <param name="orders">The order in which each direction reads the tokens.</param>
    [SetsRequiredMembers]
    public DirectionalMixerOptions(MixerOptions mixer, params ReadOnlySpan<ScanOrder> orders)
    {
        ArgumentNullException.ThrowIfNull(mixer);
        (Mixer, ModelDim, Orders) = (mixer, mixer.ModelDim, [.. orders]);
    }

    /// <summary>Options of the mixer of each direction.</summary>
    public MixerOptions Mixer { get; }

    /// <summary>The order in which each direction reads the tokens; at least one.</summary>
    public IReadOnlyList<ScanOrder> Orders { get; }

    /// <summary>What the directions share.</summary>
    public DirectionTying Tying { get; init; } = DirectionTying.Projections;

    /// <summary>How the outputs of the directions become one.</summary>
    public DirectionMerge Merge { get; init; }

    /// <summary>Where they become one.</summary>
    public MergePoint MergeAt { get; init; } = MergePoint.Gate;

    /// <summary>Whether the mixer has parts that directions can share and merge between.</summary>
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
        if (!IsRecurrent && (Tying is DirectionTying.Projections or DirectionTying.AllButA || MergeAt != MergePoint.Output))
        {
            throw new ArgumentException(
                $"Directions of a {Mixer.GetType().Name} can share everything or nothing, and merge at their outputs: " +
                $"expected DirectionTying.All or DirectionTying.None with MergePoint.Output; found Tying.{Tying} with " +
                $"MergePoint.{MergeAt}.");
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

    /// <summary>Whether the mixers are alike and the orders are the same objects.</summary>
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
