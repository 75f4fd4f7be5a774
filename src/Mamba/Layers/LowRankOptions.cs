namespace Mamba.Layers;

/// <summary>Which projections <see cref="LowRank"/> adapts, and how.</summary>
/// <example>
/// <code>
/// LowRankOptions options = new() { Rank = 16, Alpha = 32, Targets = ["in_projection", "out_projection"] };
/// LowRank.Adapt(model, options, new Random(1));
/// </code>
/// </example>
public sealed record LowRankOptions
{
    private static readonly string[] OfMixers = ["in_projection", "x_projection", "out_projection"];

    /// <summary>Rank of each correction. One above a matrix' smaller side is allowed, and gains nothing.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>α; a correction's factor is α/rank.</summary>
    public double Alpha { get; init; } = 16;

    /// <summary>
    /// Names of the projections, or ends of their names after a dot. Unless set, those that the mixers have of
    /// <c>in_projection</c>, <c>x_projection</c> and <c>out_projection</c>. Others are <c>mlp.in</c>, <c>mlp.out</c>
    /// and <c>head</c>.
    /// </summary>
    public IReadOnlyList<string> Targets { get; init; } = OfMixers;

    /// <summary>Whether the targets are not set: not every mixer has all of them.</summary>
    internal bool HasDefaultTargets => ReferenceEquals(Targets, OfMixers);

    /// <summary>Throws on the first option that makes no sense, by name.</summary>
    /// <exception cref="ArgumentException">
    /// The rank or α/rank is not a positive number, or there are no targets, or one has no name.
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
