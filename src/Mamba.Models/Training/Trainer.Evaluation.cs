using Mamba.Memory;

namespace Mamba.Models.Training;

/// <content>Evaluations, and the weights that are evaluated.</content>
public sealed partial class Trainer
{
    /// <summary>
    /// Loads the weights of a checkpoint of this run into the module, as they were evaluated: the averages, if there
    /// are any. This trainer cannot continue afterwards.
    /// </summary>
    /// <param name="checkpoint">The folder: <see cref="TrainingResult.BestCheckpoint"/>, or another one.</param>
    /// <exception cref="InvalidDataException">
    /// The checkpoint is damaged, or of another module; nothing was changed.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The module was narrowed, frozen or adapted after the optimiser was made, or a run of this trainer is in
    /// progress.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The trainer has been disposed.</exception>
    /// <exception cref="IOException">The checkpoint cannot be read.</exception>
    public void Restore(string checkpoint)
    {
        ArgumentException.ThrowIfNullOrEmpty(checkpoint);
        using Call call = Begin();
        RequireParameters();
        Checksums.Verify(checkpoint, [RunArrays.FileName], CancellationToken.None);
        using RunArrays file = RunArrays.Open(checkpoint);
        (string Name, DeviceArray Array)[] weights =
        [
            .. Weights().Select(named =>
                (file.Has(AverageOf(named.Name)) ? AverageOf(named.Name) : WeightOf(named.Name), named.Array)),
            .. Buffers(),
        ];
        foreach ((string name, DeviceArray array) in weights)
        {
            file.Require(name, array.Shape.ToArray());
        }

        _isRestored = true;
        file.Read(weights);
    }

    /// <summary>Evaluates the averaged weights, if there is an average, and saves the best.</summary>
    /// <returns>True if the evaluation finished; false if it was cancelled.</returns>
    private bool TryEvaluate(
        Func<double> evaluate, IProgress<TrainingProgress>? progress, CancellationToken cancellation)
    {
        double value;
        try
        {
            value = WithAverage(evaluate);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return false;
        }

        bool isBest = double.IsFinite(value) && value < (_run.BestEvaluation ?? double.PositiveInfinity);
        _lastEvaluation = value;
        _run.EvaluationIsDue = false;
        _run.BestEvaluation = isBest ? value : _run.BestEvaluation;
        _run.BestStep = isBest ? _run.Step : _run.BestStep;
        _run.EvaluationsSinceBest = isBest ? 0 : Math.Min(_run.EvaluationsSinceBest, int.MaxValue - 1) + 1;
        progress?.Report(State() with { Evaluation = value, IsBest = isBest });
        if (isBest && _options.KeepBest && _run.Step < _options.Steps)
        {
            TrySave(progress);
        }

        return true;
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
}
