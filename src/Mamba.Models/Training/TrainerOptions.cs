using Mamba.Optimization;

namespace Mamba.Models.Training;

/// <summary>The settings of a <see cref="Trainer"/>.</summary>
/// <example>
/// <code>
/// TrainerOptions options = new()
/// {
///     Steps = 10_000,
///     Schedule = new() { Peak = 1e-3, WarmupSteps = 200, TotalSteps = 10_000, Kind = LearningRateKind.Cosine },
///     Folder = "run",
///     CheckpointEvery = 500,
///     EvaluateEvery = 500,
/// };
/// </code>
/// </example>
public sealed record TrainerOptions
{
    /// <summary>Number of optimiser steps of the whole run.</summary>
    public required long Steps { get; init; }

    /// <summary>The learning rate of every step; null: the optimiser's own.</summary>
    public LearningRateSchedule? Schedule { get; init; }

    /// <summary>Batches whose gradients are averaged for one step.</summary>
    public int Accumulation { get; init; } = 1;

    /// <summary>Gradients are clipped to this Euclidean norm, over all parameters; null disables it.</summary>
    public double? ClipNorm { get; init; } = 1;

    /// <summary>EMA decay of the averaged weights; null: no average.</summary>
    public double? AverageDecay { get; init; }

    /// <summary>
    /// Limit of consecutive skipped steps, whose loss or gradients are not finite, before training ends.
    /// </summary>
    public int SkipLimit { get; init; } = 10;

    /// <summary>Steps between evaluations; 0: only after the last step.</summary>
    public long EvaluateEvery { get; init; }

    /// <summary>
    /// Early stopping: evaluations in a row without improvement before training ends; null disables it.
    /// </summary>
    public int? Patience { get; init; }

    /// <summary>
    /// Folder of the checkpoints; null saves none. One trainer at a time uses the folder, until it is disposed.
    /// </summary>
    public string? Folder { get; init; }

    /// <summary>Steps between checkpoints; 0: only after the last step or on cancellation.</summary>
    public long CheckpointEvery { get; init; }

    /// <summary>Number of newest checkpoints to keep; older ones are deleted, except the best.</summary>
    public int KeepCheckpoints { get; init; } = 2;

    /// <summary>
    /// Whether every evaluation that is the best so far saves a checkpoint, and the best checkpoint is kept.
    /// </summary>
    public bool KeepBest { get; init; } = true;

    /// <summary>Tokens of one batch, for the speed that is reported; 0: unknown.</summary>
    public long TokensPerBatch { get; init; }

    /// <summary>
    /// Other settings that affect the result, one per line as <c>name: value</c>: the data, their seed, the batch. A
    /// run is resumed only with the same lines; a refusal names the settings that differ.
    /// </summary>
    public string Configuration { get; init; } = "";

    /// <summary>Throws on the first invalid setting, by name.</summary>
    /// <exception cref="ArgumentException">A number is out of its range, or a text is missing.</exception>
    public void Validate()
    {
        Setting.RequirePositive(Steps, nameof(Steps));
        Setting.RequirePositive(Accumulation, nameof(Accumulation));
        Setting.Require(ClipNorm is null or > 0, nameof(ClipNorm), "positive, or null for any norm", ClipNorm);
        Setting.RequireDecay(AverageDecay ?? 0, nameof(AverageDecay));
        Setting.RequirePositive(SkipLimit, nameof(SkipLimit));
        Setting.RequireNotNegative(EvaluateEvery, nameof(EvaluateEvery));
        Setting.RequirePositive(Patience ?? 1, nameof(Patience));
        Setting.Require(
            Folder is null || !string.IsNullOrWhiteSpace(Folder), nameof(Folder), "a path, or null for none",
            $"\"{Folder}\"");
        Setting.RequireNotNegative(CheckpointEvery, nameof(CheckpointEvery));
        Setting.RequirePositive(KeepCheckpoints, nameof(KeepCheckpoints));
        Setting.RequireNotNegative(TokensPerBatch, nameof(TokensPerBatch));
        Setting.RequireNotNull(Configuration, nameof(Configuration), "words, which may be none");
        Schedule?.Validate();
    }
}
