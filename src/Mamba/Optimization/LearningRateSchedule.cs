namespace Mamba.Optimization;

/// <summary>The learning rate of every step: a pure function of the step.</summary>
/// <remarks>
/// All kinds warm up first: step s of W, counted from 0, has <c>Peak·(s + 1)/W</c>. From <see cref="TotalSteps"/> on,
/// decaying kinds stay at the floor.
/// </remarks>
/// <example>
/// <code>
/// LearningRateSchedule schedule = new()
/// {
///     Kind = LearningRateKind.Cosine, Peak = 3e-3, WarmupSteps = 100, TotalSteps = 2000, Floor = 3e-4,
/// };
/// optimizer.Step(schedule.At(step: 500));
/// </code>
/// </example>
public sealed record LearningRateSchedule
{
    /// <summary>The shape after the warm-up.</summary>
    public LearningRateKind Kind { get; init; }

    /// <summary>The highest rate.</summary>
    public required double Peak { get; init; }

    /// <summary>Number of steps in which the rate rises to the peak.</summary>
    public long WarmupSteps { get; init; }

    /// <summary>Step at which the rate has fallen to the floor; constant rates do not need it.</summary>
    public long TotalSteps { get; init; }

    /// <summary>Number of the last steps in which <see cref="LearningRateKind.WarmupStableDecay"/> falls.</summary>
    public long DecaySteps { get; init; }

    /// <summary>The lowest rate after the warm-up, as a fraction of the peak.</summary>
    public double Floor { get; init; }

    /// <summary>The rate of a step.</summary>
    /// <param name="step">The step, counted from 0.</param>
    /// <returns>The rate.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The step is negative, or a setting makes no sense.</exception>
    public double At(long step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        Validate();
        if (step < WarmupSteps)
        {
            return Peak * (step + 1) / WarmupSteps;
        }

        double height = Kind switch
        {
            LearningRateKind.Linear => 1 - Progress(step, WarmupSteps),
            LearningRateKind.Cosine => (1 + Math.Cos(Math.PI * Progress(step, WarmupSteps))) / 2,
            LearningRateKind.WarmupStableDecay => 1 - Progress(step, TotalSteps - DecaySteps),
            _ => 1,
        };
        return Peak * (Floor + ((1 - Floor) * height));
    }

    /// <summary>Throws on the first setting that makes no sense, by name.</summary>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A setting is negative or not a number; the floor is above 1; a rate that falls has no steps to fall in, or more
    /// than there are after the warm-up.
    /// </exception>
    public void Validate()
    {
        Setting.Require(Enum.IsDefined(Kind), nameof(Kind), "a kind that has a name", Kind);
        Setting.RequireFloat(Peak, nameof(Peak));
        Setting.RequireIn(Floor, 1, nameof(Floor));
        Setting.RequireNotNegative(WarmupSteps, nameof(WarmupSteps));
        Setting.RequireNotNegative(TotalSteps, nameof(TotalSteps));
        Setting.RequireNotNegative(DecaySteps, nameof(DecaySteps));
        if (Kind != LearningRateKind.Constant && TotalSteps <= WarmupSteps)
        {
            throw Setting.Refusal(nameof(TotalSteps), $"above WarmupSteps, {WarmupSteps}", TotalSteps);
        }

        if (Kind == LearningRateKind.WarmupStableDecay && (DecaySteps < 1 || DecaySteps > TotalSteps - WarmupSteps))
        {
            throw Setting.Refusal(
                nameof(DecaySteps), $"from 1 to TotalSteps - WarmupSteps, {TotalSteps - WarmupSteps}", DecaySteps);
        }
    }

    /// <summary>How much of the way from a step to the last is gone, from 0 to 1.</summary>
    private double Progress(long step, long start) =>
        Math.Clamp((double)(step - start) / (TotalSteps - start), 0, 1);
}
