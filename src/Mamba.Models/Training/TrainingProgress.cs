namespace Mamba.Models.Training;

/// <summary>A report of a <see cref="Trainer"/>: a step, an evaluation, a checkpoint or a warning.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Steps">Steps of the whole run.</param>
/// <example>
/// <code>
/// Progress&lt;TrainingProgress&gt; progress = new(
///     report =&gt; Console.WriteLine($"step {report.Step}: {report.Loss:f3}"));
/// </code>
/// </example>
public sealed record TrainingProgress(long Step, long Steps)
{
    /// <summary>The mean loss of the step's batches, in nats; null if the report is not of a step.</summary>
    public double? Loss { get; init; }

    /// <summary>The learning rate of the step.</summary>
    public double LearningRate { get; init; }

    /// <summary>The norm of all gradients, before clipping; NaN or infinity if the step was skipped.</summary>
    public double GradientNorm { get; init; }

    /// <summary>Tokens per second over the last steps; 0 if the size of a batch is unknown.</summary>
    public double TokensPerSecond { get; init; }

    /// <summary>Bytes of all arrays on the device.</summary>
    public long Memory { get; init; }

    /// <summary>Time of the run so far, including the time before it was resumed.</summary>
    public TimeSpan Elapsed { get; init; }

    /// <summary>Time of the remaining steps at the speed of the last ones.</summary>
    public TimeSpan Remaining { get; init; }

    /// <summary>A value of <see cref="Trainer.Evaluate"/>; null if the report is not of an evaluation.</summary>
    public double? Evaluation { get; init; }

    /// <summary>Whether the evaluation is the best of the run so far.</summary>
    public bool IsBest { get; init; }

    /// <summary>The folder of a new checkpoint; null if the report is not of a checkpoint.</summary>
    public string? Checkpoint { get; init; }

    /// <summary>
    /// A problem that did not end the run: a skipped step, or a checkpoint that could not be saved or read.
    /// </summary>
    public string? Warning { get; init; }
}
