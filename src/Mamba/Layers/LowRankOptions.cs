namespace Mamba.Layers;

/// <summary>Options of <see cref="LowRank"/>: which projections get adapters, their rank and scale.</summary>
/// <example>
/// <code>
/// LowRankOptions options = new() { Rank = 16, Alpha = 32, Targets = ["in_projection", "out_projection"] };
/// LowRank.Adapt(model, options, new Random(1));
/// </code>
/// </example>
public sealed record LowRankOptions
{
    private static readonly string[] OfMixers = ["in_projection", "x_projection", "out_projection"];

    /// <summary>
    /// Rank of each correction. A rank above the smaller side of a matrix is allowed, but gains nothing.
    /// </summary>
    public int Rank { get; init; } = 8;

    /// <summary>α; a correction is scaled by α/rank.</summary>
    public double Alpha { get; init; } = 16;

    /// <summary>
    /// Names of projections, or suffixes of their names after a dot. By default <c>in_projection</c>,
    /// <c>x_projection</c> and <c>out_projection</c>, as far as the mixers have them. Other names are <c>mlp.in</c>,
    /// <c>mlp.out</c> and <c>head</c>.
    /// </summary>
    public IReadOnlyList<string> Targets { get; init; } = OfMixers;

    /// <summary>Whether the targets are the default ones, which need not all exist in a mixer.</summary>
    internal bool HasDefaultTargets => ReferenceEquals(Targets, OfMixers);

    /// <summary>Throws on the first invalid option and names it.</summary>
    /// <exception cref="ArgumentException">
    /// The rank or α/rank is not a positive number, the targets are empty, or a target is an empty name.
    /// </exception>
    public void Validate()
    {
        Setting.RequirePositive(Rank, nameof(Rank));
        Setting.Require(
            (float)(Alpha / Rank) is > 0 and < float.PositiveInfinity, nameof(Alpha),
            "a positive number of which a float holds the rank's part", Alpha);
        Setting.RequireNotNull(Targets, nameof(Targets), "a list of names");
        Setting.Require(Targets.Count > 0, nameof(Targets), "a list of names", "an empty one");
        Setting.Require(
            !Targets.Any(string.IsNullOrWhiteSpace), nameof(Targets), "a list of names", "one that is empty or null");
    }
}
