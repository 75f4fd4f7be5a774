using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>The options of a <see cref="ParallelMixer"/>.</summary>
/// <example>
/// <code>
/// ParallelMixerOptions options = new(
///     new ParallelBranch(new Mamba2MixerOptions { ModelDim = 64, HeadDim = 16 }),
///     new ParallelBranch(new AttentionMixerOptions { ModelDim = 64, Heads = 4 }) { OutScale = 0.5f });
/// using SequenceMixer mixer = options.Create(device, random);
/// </code>
/// </example>
public sealed record ParallelMixerOptions : MixerOptions
{
    /// <summary>Makes options.</summary>
    /// <param name="branches">At least one branch; all have one ModelDim.</param>
    [System.Diagnostics.CodeAnalysis.SetsRequiredMembers]
    public ParallelMixerOptions(params IReadOnlyList<ParallelBranch> branches)
    {
        ArgumentNullException.ThrowIfNull(branches);
        Branches = [.. branches];
        ModelDim = Branches.Count > 0 && Branches[0] is { Mixer: { } mixer } ? mixer.ModelDim : 0;
    }

    /// <summary>The branches.</summary>
    public IReadOnlyList<ParallelBranch> Branches { get; }

    /// <inheritdoc/>
    public override void Validate()
    {
        Setting.Require(Branches.Count > 0, nameof(Branches), "at least one branch", Branches.Count);
        Setting.Require(
            Branches.All(branch => branch is null or { Mixer: null } || branch.Mixer.ModelDim == ModelDim),
            nameof(ModelDim), "that of every branch",
            $"{ModelDim} with {string.Join(", ", Branches.Select(branch => branch?.Mixer?.ModelDim))}");
        for (int i = 0; i < Branches.Count; i++)
        {
            string name = $"{nameof(Branches)}[{i}]";
            Setting.RequireNotNull(Branches[i], name, "a branch");
            Setting.RequireNotNull(Branches[i].Mixer, name, "a branch with a mixer");
            Branches[i].Mixer.Validate();
            Setting.RequireFinite(Branches[i].InScale, $"{name}.{nameof(ParallelBranch.InScale)}");
            Setting.RequireFinite(Branches[i].OutScale, $"{name}.{nameof(ParallelBranch.OutScale)}");
        }
    }

    /// <inheritdoc/>
    public override string DescribeState() =>
        $"parallel ({string.Join(", ", Branches.Select(branch => branch.Mixer.DescribeState()))})";

    /// <summary>Whether all branches have equal options.</summary>
    public bool Equals(ParallelMixerOptions? other) =>
        other is not null && ModelDim == other.ModelDim && Branches.SequenceEqual(other.Branches);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(ModelDim, Branches.Count);

    /// <inheritdoc/>
    public override SequenceMixer Create(Device device, Random? random, double outputScale = 1) =>
        new ParallelMixer(device, this, random, outputScale);
}

/// <summary>One of the mixers of a <see cref="ParallelMixer"/>.</summary>
/// <param name="Mixer">Its options.</param>
/// <example>
/// <code>
/// ParallelBranch branch = new(new AttentionMixerOptions { ModelDim = 64, Heads = 4 }) { InScale = 1.5f };
/// </code>
/// </example>
public sealed record ParallelBranch(MixerOptions Mixer)
{
    /// <summary>Constant factor of the branch's input.</summary>
    public float InScale { get; init; } = 1;

    /// <summary>Constant factor of the branch's output.</summary>
    public float OutScale { get; init; } = 1;
}
