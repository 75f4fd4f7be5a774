using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Models.Training;

/// <content>Saves the checkpoints of a run.</content>
public sealed partial class Trainer
{
    private readonly RunFolder? _folder;
    private long _savedStep = -1;
    private long _triedStep = -1;
    private bool _savedDue;
    private string? _frozenHash;

    private void TrySave(IProgress<TrainingProgress>? progress)
    {
        _triedStep = _run.Step;
        try
        {
            Save(progress);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            progress?.Report(State() with { Warning = $"No checkpoint at step {_run.Step}: {exception.Message}" });
        }
    }

    private void SaveLast(IProgress<TrainingProgress>? progress)
    {
        try
        {
            Save(progress);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new IOException(
                $"The checkpoint of the last step, {_run.Step}, could not be saved: {exception.Message} The run can " +
                $"go on from {_lastCheckpoint ?? "its beginning"}.",
                exception);
        }
    }

    private void Save(IProgress<TrainingProgress>? progress)
    {
        if (_folder is null)
        {
            return;
        }

        _run.OptimizerSteps = _optimizer.Steps;
        _run.Configuration = Configuration();
        _run.StateLengths = [.. CarriedStates.Select(state => state.Length)];
        foreach (LayerState state in CarriedStates)
        {
            state.Refresh();
            if (state.HoldsTokens)
            {
                state.SetLength(state.Length); // resizes the arrays to the number of tokens
            }
        }

        _lastCheckpoint = _folder.Save(_run.Step, folder =>
        {
            WithAverage(() => WriteWeights(folder));
            RunArrays.Save(folder, Arrays());
            _run.Save(folder);
        });
        (_savedStep, _savedDue) = (_run.Step, _run.EvaluationIsDue);
        progress?.Report(State() with { Checkpoint = _lastCheckpoint });
        DeleteOld(progress);
    }

    private void DeleteOld(IProgress<TrainingProgress>? progress)
    {
        try
        {
            _folder!.DeleteOld(_run.Step, _options.KeepBest ? _run.BestStep : null);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            progress?.Report(State() with { Warning = $"An old checkpoint could not be deleted: {exception.Message}" });
        }
    }

    /// <summary>Exports the weights, unless no format can express them.</summary>
    private bool WriteWeights(string folder)
    {
        if (Export is not null)
        {
            Export(folder);
        }
        else if (_module is MambaLanguageModel { HasPublishedFormat: true } model)
        {
            model.Save(folder);
        }

        return true;
    }

    /// <summary>
    /// All arrays that the next steps depend on, except frozen weights, which do not change.
    /// </summary>
    private IEnumerable<(string Name, DeviceArray Array)> Arrays() =>
    [
        .. Weights().Select(named => (WeightOf(named.Name), named.Array)),
        .. Buffers(),
        .. _optimizer.State.Select(named => ($"optimizer.{named.Name}", named.Array)),
        .. _average?.State ?? [],
        .. CarriedStates.SelectMany((state, i) => state.Arrays.Select((array, j) => (StateOf(i, j), array))),
    ];

    private IEnumerable<(string Name, DeviceArray Array)> Weights() => _module.Parameters
        .Where(named => named.Parameter.IsTrainable)
        .Select(named => (named.Name, named.Parameter.Value));

    private IEnumerable<(string Name, DeviceArray Array)> Buffers() =>
        _module.Buffers.Select(named => ($"buffer.{named.Name}", named.Buffer));

    private static string WeightOf(string name) => $"weight.{name}";

    private static string AverageOf(string name) => $"average.{name}"; // as in MovingAverage.State

    private static string StateOf(int state, int array) => $"state.{state}.{array}";

    private string[] Configuration() => RunConfiguration.Lines(
        _module, _optimizer, _options, CarriedStates, _frozenHash ??= RunConfiguration.HashOfFrozen(_module));
}
