namespace Mamba.Models.Training;

/// <summary>Why a run ended.</summary>
public enum TrainingEnd
{
    /// <summary>All steps are done.</summary>
    Finished,

    /// <summary>Evaluations no longer improved.</summary>
    StoppedEarly,

    /// <summary>The caller cancelled the run. It can be resumed from its checkpoint.</summary>
    Cancelled,
}

/// <summary>How a run ended.</summary>
/// <param name="End">Why.</param>
/// <param name="Step">Steps done.</param>
/// <param name="SkippedSteps">Those among them that were skipped because something was not finite.</param>
/// <param name="Loss">The loss of the last step; NaN where no step was done.</param>
/// <param name="Evaluation">The last evaluation; null where there was none.</param>
/// <param name="BestEvaluation">The best evaluation; null where there was none.</param>
/// <param name="Checkpoint">The folder of the last checkpoint; null where nothing is saved.</param>
/// <param name="Elapsed">Time that the run has taken, before it was resumed included.</param>
public sealed record TrainingResult(
    TrainingEnd End,
    long Step,
    long SkippedSteps,
    double Loss,
    double? Evaluation,
    double? BestEvaluation,
    string? Checkpoint,
    TimeSpan Elapsed)
{
    /// <summary>The step of the best evaluation; null where there was none.</summary>
    public long? BestStep { get; init; }

    /// <summary>
    /// The checkpoint of the best evaluation, for <see cref="Trainer.Restore"/>; null if none was kept. It may be
    /// the last one.
    /// </summary>
    public string? BestCheckpoint { get; init; }
}
