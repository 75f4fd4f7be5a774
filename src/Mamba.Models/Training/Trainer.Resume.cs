using Mamba.Layers;

namespace Mamba.Models.Training;

/// <content>Resumes from a checkpoint.</content>
public sealed partial class Trainer
{
    /// <summary>Resumes the run from its newest valid checkpoint in the folder.</summary>
    /// <param name="progress">Receives a warning for every checkpoint that is skipped as damaged or unreadable.</param>
    /// <param name="cancellation">Cancels the check of a checkpoint; nothing has changed then.</param>
    /// <returns>
    /// True if a run was resumed; false if the folder has none, and training starts from the beginning.
    /// </returns>
    /// <exception cref="InvalidOperationException">
    /// No folder is set, the run was begun with another configuration, the weights are those of <see cref="Restore"/>,
    /// the module was narrowed, frozen or adapted after the optimiser was made, or a run of this trainer is in
    /// progress.
    /// </exception>
    /// <exception cref="NotSupportedException">The run was saved by a version with another format.</exception>
    /// <exception cref="InvalidDataException">There are checkpoints, but none is valid.</exception>
    /// <exception cref="IOException">The folder is in use by another trainer, or cannot be written to.</exception>
    /// <exception cref="UnauthorizedAccessException">Writing to the folder is not permitted.</exception>
    /// <exception cref="OperationCanceledException">The check was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The trainer has been disposed.</exception>
    public bool Resume(IProgress<TrainingProgress>? progress = null, CancellationToken cancellation = default)
    {
        using Call call = Begin();
        RequireRunning();
        RequireParameters();
        RunFolder folder = _folder ?? throw new InvalidOperationException("There is no folder to resume from.");
        if (!Directory.Exists(folder.Path))
        {
            return false;
        }

        folder.Claim();
        IReadOnlyList<string> checkpoints = folder.Checkpoints;
        Exception? newest = null;
        foreach (string checkpoint in checkpoints)
        {
            try
            {
                Load(checkpoint, cancellation);
                return true;
            }
            catch (Exception exception)
                when (exception is InvalidDataException or IOException or UnauthorizedAccessException)
            {
                newest ??= exception;
                progress?.Report(State() with { Warning = $"A checkpoint is passed over: {exception.Message}" });
            }
        }

        return checkpoints.Count == 0
            ? false
            : throw new InvalidDataException(
                $"{folder.Path}: none of the {checkpoints.Count} checkpoints can be used. The newest: " +
                $"{newest!.Message}", newest);
    }

    /// <summary>
    /// Takes ownership of the program's lock of the folder, which the program may need before the run begins.
    /// </summary>
    /// <exception cref="ObjectDisposedException">
    /// The trainer has been disposed; the caller still owns the lock.
    /// </exception>
    internal void Claim(RunLock taken)
    {
        RequireNotDisposed();
        _folder!.Claim(taken);
    }

    /// <summary>Checks everything before it loads anything, so a rejected checkpoint changes nothing.</summary>
    private void Load(string checkpoint, CancellationToken cancellation)
    {
        Checksums.Verify(checkpoint, [RunRecord.FileName, RunArrays.FileName], cancellation);
        RunRecord record = RunRecord.Load(checkpoint);
        if (Path.GetFileName(_folder![record.Step]) != Path.GetFileName(checkpoint))
        {
            throw new InvalidDataException(
                $"{checkpoint}: expected the step of the folder's name; found step {record.Step}.");
        }

        if (RunConfiguration.Difference(record.Configuration, Configuration()) is { } difference)
        {
            throw new InvalidOperationException(
                $"{checkpoint}: the run was begun with other settings: {difference}. Resume it with its own " +
                "settings, or begin a new run in another folder from these weights.");
        }

        if (record.StateLengths.Length != CarriedStates.Count)
        {
            throw new InvalidDataException(
                $"{checkpoint}: \"state_lengths\": expected {CarriedStates.Count} numbers; found " +
                $"{record.StateLengths.Length}.");
        }

        using RunArrays file = RunArrays.Open(checkpoint);
        for (int i = 0; i < CarriedStates.Count; i++)
        {
            RequireLength(file, record.StateLengths[i], i);
        }

        using Undo undo = new(CarriedStates);
        try
        {
            for (int i = 0; i < CarriedStates.Count; i++)
            {
                CarriedStates[i].SetLength(record.StateLengths[i]);
            }

            file.RequireAll([.. Arrays()]);
        }
        catch
        {
            undo.Run();
            throw;
        }

        file.Read(Arrays());
        _optimizer.Steps = record.OptimizerSteps;
        (_run, _savedStep, _savedDue, _lastCheckpoint) = (record, record.Step, record.EvaluationIsDue, checkpoint);
        _triedStep = record.Step;
    }

    /// <summary>Checks that the file has a state's tokens before memory is allocated for them.</summary>
    private void RequireLength(RunArrays file, int length, int index)
    {
        LayerState state = CarriedStates[index];
        if (length < 0 || (length > 0 && !state.HoldsTokens))
        {
            throw new InvalidDataException($"{file.Path}: carried state {index} cannot hold {length} tokens.");
        }

        for (int i = 0; i < state.Arrays.Count; i++)
        {
            if (state.Grows(i))
            {
                file.Require(StateOf(index, i), state.Batch, length, state.Arrays[i].Shape[^1]);
            }
        }
    }

    private void RequireOwnFolder()
    {
        if (_folder is not null && _savedStep < 0 && _folder.Checkpoints is [string newest, ..])
        {
            throw new InvalidOperationException(
                $"{newest} is a checkpoint of an earlier run. Resume it, or choose another folder; nothing was " +
                "changed.");
        }
    }
}
