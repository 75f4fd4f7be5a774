using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Training;

namespace Mamba.Models.Training;

/// <summary>
/// Trains any module with any loss: learning rate, accumulation, clipping, averaging, evaluation, early stopping, and
/// checkpoints from which a run goes on with the same bits.
/// </summary>
/// <remarks>
/// Batches are numbered, and a batch is a function of its number: where a run stands is one number, no random state.
/// A step whose loss or gradients are not finite changes no weight.
/// </remarks>
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
    /// <param name="module">What learns.</param>
    /// <param name="optimizer">Changes its weights; made of the same module, and disposed by the caller.</param>
    /// <param name="options">The settings.</param>
    /// <param name="loss">
    /// Computes the mean loss of the batch of a number, an array of one element, under the trainer's tape. The batch
    /// must depend on the number alone.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">A setting makes no sense.</exception>
    /// <exception cref="ArgumentException">The optimiser was made of another module, or before parameters became trainable.</exception>
    public Trainer(Module module, Optimizer optimizer, TrainerOptions options, Func<long, DeviceArray> loss)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(loss);
        options.Validate();
        RequireParametersOf(module, optimizer);
        (_module, _optimizer, _options, _loss) = (module, optimizer, options, loss);
        _average = options.AverageDecay is { } decay ? new(module, decay) : null;
        _folder = options.Folder is null ? null : new(options.Folder, options.KeepCheckpoints);
    }

    /// <summary>Computes what is to become small, on data that are not trained on; without a tape.</summary>
    public Func<double>? Evaluate { get; init; }

    /// <summary>
    /// Writes the weights into a folder for others to read; null: a <see cref="MambaLanguageModel"/> is saved in a
    /// published format, if there is one for it.
    /// </summary>
    public Action<string>? Export { get; init; }

    /// <summary>
    /// States that the loss carries from batch to batch (truncated back-propagation through time). The trainer detaches
    /// them after every batch, saves them, and puts them back where a step is skipped.
    /// </summary>
    public IReadOnlyList<LayerState> CarriedStates { get; init; } = [];

    /// <summary>
    /// Called between the gradients and their use: where several processes train together, it replaces the gradients by
    /// their mean over all processes (see <see cref="GradientBuckets"/>).
    /// </summary>
    public Action? ExchangeGradients { get; init; }

    /// <summary>Steps done.</summary>
    public long Step => _run.Step;

    /// <summary>Trains until all steps are done, evaluations no longer improve, or the caller cancels.</summary>
    /// <param name="progress">Is told of every step, evaluation, checkpoint and warning, on this thread.</param>
    /// <param name="cancellation">Ends the run after the present step, with a checkpoint.</param>
    /// <returns>How it ended.</returns>
    /// <exception cref="InvalidOperationException">The folder holds a run that was not resumed.</exception>
    /// <exception cref="NotFiniteNumberException">Too many steps in a row were not finite.</exception>
    /// <exception cref="IOException">The folder cannot be written to, or the last checkpoint could not be saved.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    public TrainingResult Run(IProgress<TrainingProgress>? progress = null, CancellationToken cancellation = default)
    {
        RequireOwnFolder();
        _folder?.RequireWritable();
        _pace.Begin(TimeSpan.FromSeconds(_run.ElapsedSeconds));
        TrainingEnd end = TrainingEnd.Finished;
        while (_run.Step < _options.Steps)
        {
            if (cancellation.IsCancellationRequested)
            {
                end = TrainingEnd.Cancelled;
                break;
            }

            TakeStep(progress);
            bool isLast = _run.Step == _options.Steps;
            if (Evaluate is not null && (isLast || IsDue(_options.EvaluateEvery)) && !Improves(progress))
            {
                end = isLast ? TrainingEnd.Finished : TrainingEnd.StoppedEarly;
                break;
            }

            if (!isLast && IsDue(_options.CheckpointEvery))
            {
                TrySave(progress);
            }
        }

        if (_savedStep != _run.Step)
        {
            Save(progress);
        }

        return new(
            end,
            _run.Step,
            _run.SkippedSteps,
            _lastLoss,
            _lastEvaluation,
            _run.BestEvaluation,
            _lastCheckpoint,
            TimeSpan.FromSeconds(_run.ElapsedSeconds));
    }

    /// <summary>Frees the average; module and optimiser are the caller's.</summary>
    public void Dispose() => _average?.Dispose();

    /// <summary>Throws unless the optimiser changes all trainable parameters of the module, and no others.</summary>
    private static void RequireParametersOf(Module module, Optimizer optimizer)
    {
        (string Name, Parameter Parameter)[] all = [.. module.Parameters];
        HashSet<Parameter> own = [.. all.Select(named => named.Parameter)], changed = [.. optimizer.Parameters];
        if (!changed.IsSubsetOf(own))
        {
            throw new ArgumentException(
                $"The optimiser was made of another module: {changed.Count(parameter => !own.Contains(parameter))} of its " +
                $"{changed.Count} parameters are not in this {module.GetType().Name}. Make it of the module that is trained.",
                nameof(optimizer));
        }

        if (Array.Find(all, named => named.Parameter.IsTrainable && !changed.Contains(named.Parameter)) is { Name: { } left })
        {
            throw new ArgumentException(
                $"The optimiser does not change \"{left}\", which is trainable: it was made of a part of the module, or before " +
                "that became trainable. Make the optimiser last.",
                nameof(optimizer));
        }
    }

    private bool IsDue(long every) => every > 0 && _run.Step % every == 0;

    private void TakeStep(IProgress<TrainingProgress>? progress)
    {
        double rate = _options.Schedule?.At(_run.Step) ?? _optimizer.LearningRate;
        using Undo undo = new(CarriedStates);
        double loss = AddGradients();
        ExchangeGradients?.Invoke();
        double norm = _options.ClipNorm is { } limit ? Gradients.Clip(_module, limit) : Gradients.Norm(_module);
        bool isFinite = double.IsFinite(loss) && double.IsFinite(norm);
        if (isFinite)
        {
            _optimizer.Step(rate);
            _average?.Update();
            _run.SkippedInARow = 0;
        }
        else
        {
            _module.ClearGradients();
            undo.Run();
            _run.SkippedSteps++;
            _run.SkippedInARow++;
        }

        _lastLoss = loss;
        _run.Step++;
        _run.ElapsedSeconds = _pace.Note().TotalSeconds;
        progress?.Report(State() with
        {
            Loss = loss,
            LearningRate = rate,
            GradientNorm = norm,
            Warning = isFinite ? null : $"Step {_run.Step} was skipped: its loss is {loss}, the norm of its gradients {norm}.",
        });
        if (_run.SkippedInARow >= _options.SkipLimit)
        {
            throw new NotFiniteNumberException(
                $"{_run.SkippedInARow} steps in a row were not finite; the last, step {_run.Step}, has the loss {loss} and " +
                $"gradients of norm {norm}. The weights are those before them" +
                (_lastCheckpoint is null ? "." : $"; the last checkpoint is {_lastCheckpoint}."),
                loss);
        }
    }

    /// <summary>Adds up the gradients of a step's batches, each divided by their number.</summary>
    /// <returns>The mean loss.</returns>
    private double AddGradients()
    {
        double sum = 0;
        for (int i = 0; i < _options.Accumulation; i++)
        {
            Device device = _module.Device;
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            DeviceArray loss = _loss((_run.Step * _options.Accumulation) + i);
            if (loss.Shape.Count != 1)
            {
                throw new InvalidOperationException($"Expected a loss of one element; found {loss.Shape}.");
            }

            tape.Backward((loss, device.Array(loss.Shape, [1f / _options.Accumulation])));
            foreach (LayerState state in CarriedStates)
            {
                state.Detach();
            }

            sum += loss.ToArray()[0];
        }

        return sum / _options.Accumulation;
    }

    /// <summary>Evaluates the averaged weights, if there is an average.</summary>
    /// <returns>Whether training should go on.</returns>
    private bool Improves(IProgress<TrainingProgress>? progress)
    {
        double value = WithAverage(Evaluate!);
        _lastEvaluation = value;
        bool isBest = value < (_run.BestEvaluation ?? double.PositiveInfinity);
        _run.BestEvaluation = isBest ? value : _run.BestEvaluation;
        _run.EvaluationsSinceBest = isBest ? 0 : _run.EvaluationsSinceBest + 1;
        progress?.Report(State() with { Evaluation = value });
        return !(_run.EvaluationsSinceBest >= _options.Patience);
    }

    private T WithAverage<T>(Func<T> compute)
    {
        _average?.Swap();
        try
        {
            return compute();
        }
        finally
        {
            _average?.Swap();
        }
    }

    private TrainingProgress State() => new(_run.Step, _options.Steps)
    {
        TokensPerSecond = _pace.StepsPerSecond * _options.TokensPerBatch * _options.Accumulation,
        Memory = _module.Device.AllocatedBytes,
        Elapsed = TimeSpan.FromSeconds(_run.ElapsedSeconds),
        Remaining = _pace.TimeFor(_options.Steps - _run.Step),
    };

    /// <summary>The carried states before a step, to go back to.</summary>
    private readonly struct Undo(IReadOnlyList<LayerState> states) : IDisposable
    {
        private readonly LayerState[] _before = [.. states.Select(state => state.Clone())];

        public void Run()
        {
            for (int i = 0; i < _before.Length; i++)
            {
                states[i].CopyFrom(_before[i]);
            }
        }

        public void Dispose()
        {
            foreach (LayerState state in _before)
            {
                state.Dispose();
            }
        }
    }
}
