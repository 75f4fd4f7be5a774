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

/// <summary>The end of a run, and its figures.</summary>
/// <param name="End">Why the run ended.</param>
/// <param name="Step">Steps done.</param>
/// <param name="SkippedSteps">Steps among them that were skipped, because something was not finite.</param>
/// <param name="Loss">The loss of the last step; NaN if no step was done.</param>
/// <param name="Evaluation">The last evaluation; null if there was none.</param>
/// <param name="BestEvaluation">The best evaluation; null if there was none.</param>
/// <param name="Checkpoint">The folder of the last checkpoint; null if there is none.</param>
/// <param name="Elapsed">Time of the run, including the time before it was resumed.</param>
/// <example>
/// <code>
/// TrainingResult result = trainer.Run();
/// Console.WriteLine($"{result.End} after {result.Step} steps: loss {result.Loss:F3}, in {result.Checkpoint}");
/// </code>
/// </example>
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
    /// <summary>The step of the best evaluation; null if there was none.</summary>
    public long? BestStep { get; init; }

    /// <summary>
    /// The checkpoint of the best evaluation, for <see cref="Trainer.Restore"/>; null if none was kept. It may be
    /// the last one.
    /// </summary>
    public string? BestCheckpoint { get; init; }
}
