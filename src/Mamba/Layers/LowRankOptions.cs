namespace Mamba.Layers;

/// <summary>Which projections <see cref="LowRank"/> adapts, and how.</summary>
public sealed record LowRankOptions
{
    /// <summary>Rank of each correction.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>α; a correction's factor is α/rank.</summary>
    public double Alpha { get; init; } = 16;

    /// <summary>
    /// Names of the projections, or ends of their names after a dot: the projections of mixers unless set. Others are
    /// <c>mlp.in</c>, <c>mlp.out</c> and <c>head</c>.
    /// </summary>
    public IReadOnlyList<string> Targets { get; init; } = ["in_projection", "x_projection", "out_projection"];

    /// <summary>Throws on the first option that makes no sense, by name.</summary>
    /// <exception cref="ArgumentException">The rank or α is not positive, or there are no targets.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Rank);
        if (!(Alpha > 0 && double.IsFinite(Alpha)))
        {
            throw new ArgumentOutOfRangeException(nameof(Alpha), Alpha, "Expected a positive number.");
        }

        ArgumentNullException.ThrowIfNull(Targets);
        ArgumentOutOfRangeException.ThrowIfZero(Targets.Count, nameof(Targets));
    }
}
