using Mamba.Layers;
using Mamba.Memory;
using Mamba.Optimization;

namespace Mamba.Models.Training;

/// <summary>
/// Trains any module with any loss: learning rate, accumulation, clipping, averaging, evaluation, early stopping, and
/// checkpoints from which a run resumes with the same bits.
/// </summary>
/// <remarks>
/// Batches are numbered, and a batch is a function of its number, so the position of a run is one number and there is
/// no random state. A step whose loss or gradients are not finite changes no weight. A step whose loss or gradient
/// exchange throws changes neither weights nor carried states: call <see cref="Run"/> again to repeat it.
/// </remarks>
/// <example>
/// <code>
/// using TokenCorpus corpus = TokenCorpus.Open("book.txt");
/// WindowBatches batches = new(corpus.Training, rows: 16, length: 256, seed: 1);
/// using AdamW optimizer = new(model, new() { WeightDecay = 0.1 });
/// using Trainer trainer = new(
///     model,
///     optimizer,
///     new() { Steps = 2000, Folder = "run", CheckpointEvery = 250 },
///     number =&gt; model.Loss(batches[number].Inputs, batches[number].Targets, batch: 16));
/// trainer.Resume();                          // does nothing in an empty folder
/// TrainingResult result = trainer.Run();
/// </code>
/// </example>
public sealed partial class Trainer : IDisposable
{
    private readonly Module _module;
    private readonly Optimizer _optimizer;
    private readonly TrainerOptions _options;
    private readonly Func<long, DeviceArray> _loss;
    private readonly MovingAverage? _average;
    private readonly Pace _pace = new();
    private RunRecord _run = new();
    private double _lastLoss = double.NaN;
    private double? _lastEvaluation;
    private string? _lastCheckpoint;

    /// <summary>Makes a trainer.</summary>
    /// <param name="module">The module to train.</param>
    /// <param name="optimizer">An optimiser of the same module; the caller disposes it.</param>
    /// <param name="options">The settings.</param>
    /// <param name="loss">
    /// Takes the number of a batch and computes its mean loss, an array of one element, under the trainer's tape. The
    /// batch must depend on the number alone.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">A setting is out of its range.</exception>
    /// <exception cref="ArgumentException">
    /// The optimiser was made of another module, before parameters became trainable, before all were frozen, or
    /// before one was narrowed.
    /// </exception>
    public Trainer(Module module, Optimizer optimizer, TrainerOptions options, Func<long, DeviceArray> loss)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(loss);
        options.Validate();
        if (Mismatch(module, optimizer) is { } mismatch)
        {
            throw new ArgumentException(mismatch, nameof(optimizer));
        }

        (_module, _optimizer, _options, _loss) = (module, optimizer, options, loss);
        _average = options.AverageDecay is { } decay ? new(module, decay) : null;
        _folder = options.Folder is null ? null : new(options.Folder, options.KeepCheckpoints);
    }

    /// <summary>Computes a number to minimise, such as the loss on held-out data. Runs without a tape.</summary>
    /// <remarks>
    /// It may throw an <see cref="OperationCanceledException"/> if the run is cancelled: the run then ends with a
    /// checkpoint, and evaluates first when it is resumed.
    /// </remarks>
    public Func<double>? Evaluate { get; init; }

    /// <summary>
    /// Exports the weights into a folder. Null saves a <see cref="MambaLanguageModel"/> in a published format that can
    /// express it, if any. Files in subfolders have no checksum.
    /// </summary>
    public Action<string>? Export { get; init; }

    /// <summary>
    /// States that the loss carries from batch to batch (truncated back-propagation through time). The trainer detaches
    /// them after every batch, saves them, and restores them if a step is skipped or throws.
    /// </summary>
    /// <exception cref="ArgumentException">The list, or one of its states, is null.</exception>
    public IReadOnlyList<LayerState> CarriedStates
    {
        get;
        init
        {
            Setting.RequireNotNull(value, nameof(CarriedStates), "a list of states, which may be empty");
            for (int i = 0; i < value.Count; i++)
            {
                Setting.RequireNotNull(value[i], $"{nameof(CarriedStates)}[{i}]", "a state");
            }

            field = value;
        }
    } = [];

    /// <summary>
    /// Called between the backward pass and clipping. For data-parallel training it replaces the gradients by their
    /// mean over all processes (see <see cref="GradientBuckets"/>).
    /// </summary>
    public Action? ExchangeGradients { get; init; }

    /// <summary>Steps done.</summary>
    public long Step => _run.Step;

    /// <summary>Trains until all steps are done, evaluations no longer improve, or the caller cancels.</summary>
    /// <param name="progress">Receives every step, evaluation, checkpoint and warning, on this thread.</param>
    /// <param name="cancellation">Ends the run after the present step, with a checkpoint.</param>
    /// <returns>Why the run ended, and its figures.</returns>
    /// <exception cref="InvalidOperationException">
    /// The folder holds a run that was not resumed, the weights are those of <see cref="Restore"/>, the module was
    /// narrowed, frozen or adapted after the optimiser was made, or a run of this trainer is in progress.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The trainer has been disposed.</exception>
    /// <exception cref="NotFiniteNumberException">Too many steps in a row were not finite.</exception>
    /// <exception cref="IOException">
    /// The folder is in use by another trainer or cannot be written to, or the last checkpoint could not be saved.
    /// </exception>
    /// <exception cref="UnauthorizedAccessException">Writing to the folder is not permitted.</exception>
    public TrainingResult Run(IProgress<TrainingProgress>? progress = null, CancellationToken cancellation = default)
    {
        using Call call = Begin();
        RequireRunning();
        RequireParameters();
        _folder?.Claim();
        RequireOwnFolder();
        _pace.Begin(TimeSpan.FromSeconds(_run.ElapsedSeconds));
        TrainingEnd? end = null;
        while (end is null)
        {
            end = TakeTurn(progress, cancellation);
        }

        if (_savedStep != _run.Step || _savedDue != _run.EvaluationIsDue)
        {
            SaveLast(progress);
        }

        string? best = _run.BestStep is { } step ? _folder?[step] : null;
        return new(
            end.Value,
            _run.Step,
            _run.SkippedSteps,
            _lastLoss,
            _lastEvaluation,
            _run.BestEvaluation,
            _lastCheckpoint,
            TimeSpan.FromSeconds(_run.ElapsedSeconds))
        {
            BestStep = _run.BestStep,
            BestCheckpoint = Directory.Exists(best) ? best : null,
        };
    }

    /// <summary>Frees the average and unlocks the folder; the caller owns module and optimiser.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        _average?.Dispose();
        _folder?.Dispose();
    }

    /// <summary>Finishes the last step with evaluation and checkpoint if due, then runs the next one.</summary>
    /// <returns>Why the run ends; null if it continues.</returns>
    private TrainingEnd? TakeTurn(IProgress<TrainingProgress>? progress, CancellationToken cancellation)
    {
        RequireNotDisposed(); // a callback may have disposed it
        if (_run.EvaluationIsDue && Evaluate is not null && !TryEvaluate(Evaluate, progress, cancellation))
        {
            return TrainingEnd.Cancelled;
        }

        bool isLast = _run.Step >= _options.Steps;
        if (isLast || _run.EvaluationsSinceBest >= _options.Patience)
        {
            return isLast ? TrainingEnd.Finished : TrainingEnd.StoppedEarly;
        }

        if (_run.Step > 0 && _triedStep != _run.Step && IsDue(_options.CheckpointEvery))
        {
            TrySave(progress);
        }

        if (cancellation.IsCancellationRequested)
        {
            return TrainingEnd.Cancelled;
        }

        TakeStep(progress);
        _run.EvaluationIsDue = Evaluate is not null && (_run.Step == _options.Steps || IsDue(_options.EvaluateEvery));
        return null;
    }

    /// <summary>Throws if the module changed after the optimiser was made: some weights would not be trained.</summary>
    private void RequireParameters()
    {
        if (Mismatch(_module, _optimizer) is { } mismatch)
        {
            throw new InvalidOperationException(mismatch);
        }
    }

    /// <summary>
    /// Describes a trainable parameter of the module that the optimiser does not update, or one that it updates and
    /// should not; null if they agree.
    /// </summary>
    private static string? Mismatch(Module module, Optimizer optimizer)
    {
        (string Name, Parameter Parameter)[] all = [.. module.Parameters];
        HashSet<Parameter> own = [.. all.Select(named => named.Parameter)], changed = [.. optimizer.Parameters];
        if (!changed.IsSubsetOf(own))
        {
            return
                $"The optimiser was made of another module: {changed.Count(parameter => !own.Contains(parameter))} " +
                $"of its {changed.Count} parameters are not in this {module.GetType().Name}. Make it of the module " +
                "that is trained.";
        }

        string? left =
            Array.Find(all, named => named.Parameter.IsTrainable && !changed.Contains(named.Parameter)).Name;
        return left is null
            ? optimizer.Obstacle()
            : $"The optimiser does not change \"{left}\", which is trainable: it was made of a part of the module, " +
                "or before that became trainable. Make the optimiser last.";
    }

    private bool IsDue(long every) => every > 0 && _run.Step % every == 0;

    private TrainingProgress State() => new(_run.Step, _options.Steps)
    {
        TokensPerSecond = _pace.StepsPerSecond * _options.TokensPerBatch * _options.Accumulation,
        Memory = _module.Device.AllocatedBytes,
        Elapsed = TimeSpan.FromSeconds(_run.ElapsedSeconds),
        Remaining = _pace.TimeFor(_options.Steps - _run.Step),
    };
}
