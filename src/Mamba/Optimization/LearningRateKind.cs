namespace Mamba.Optimization;

/// <summary>The shape of a learning-rate schedule after the warm-up.</summary>
/// <example>
/// <code>
/// LearningRateSchedule schedule = new()
/// {
///     Kind = LearningRateKind.WarmupStableDecay, Peak = 1e-3, WarmupSteps = 100, DecaySteps = 400, TotalSteps = 2000,
/// };
/// </code>
/// </example>
public enum LearningRateKind
{
    /// <summary>Stays at the peak.</summary>
    Constant,

    /// <summary>Falls in a line to the floor.</summary>
    Linear,

    /// <summary>Falls along half a cosine to the floor.</summary>
    /// <remarks>
    /// Loshchilov and Hutter, <see href="https://arxiv.org/abs/1608.03983"/>, eq. 5, without restarts.
    /// </remarks>
    Cosine,

    /// <summary>Stays at the peak, and falls in a line to the floor in the last steps.</summary>
    /// <remarks>
    /// Hu et al., MiniCPM, <see href="https://arxiv.org/abs/2404.06395"/>, section 4.2, which leaves the falling
    /// function open; here it is a line.
    /// </remarks>
    WarmupStableDecay,
}
