using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Mamba.Devices;
using Mamba.Layers;

namespace Mamba.Models.Training;

/// <content>Checkpoints: what a run goes on from.</content>
public sealed partial class Trainer
{
    private readonly RunFolder? _folder;
    private long _savedStep = -1;
    private string? _frozenHash;

    /// <summary>Takes up the run in the folder where its newest whole checkpoint left it.</summary>
    /// <param name="progress">Is told of checkpoints that are damaged and passed over.</param>
    /// <returns>Whether there was a run; false: nothing has changed, and training begins.</returns>
    /// <exception cref="InvalidOperationException">No folder is set, or the run was begun with another configuration.</exception>
    /// <exception cref="InvalidDataException">There are checkpoints, and all are damaged.</exception>
    public bool Resume(IProgress<TrainingProgress>? progress = null)
    {
        RunFolder folder = _folder ?? throw new InvalidOperationException("There is no folder to resume from.");
        IReadOnlyList<string> checkpoints = folder.Checkpoints;
        foreach (string checkpoint in checkpoints)
        {
            try
            {
                Load(checkpoint);
                return true;
            }
            catch (Exception exception) when (exception is InvalidDataException or IOException)
            {
                progress?.Report(State() with { Warning = $"A checkpoint is damaged and passed over. {exception.Message}" });
            }
        }

        return checkpoints.Count == 0
            ? false
            : throw new InvalidDataException($"{folder.Path}: none of the {checkpoints.Count} checkpoints is whole.");
    }

    private void Load(string checkpoint)
    {
        RunFolder.Verify(checkpoint);
        RunRecord record = RunRecord.Load(checkpoint);
        RequireSameConfiguration(checkpoint, record);
        for (int i = 0; i < CarriedStates.Count; i++)
        {
            CarriedStates[i].SetLength(record.StateLengths[i]);
        }

        RunArrays.Load(checkpoint, [.. Arrays()]);
        _optimizer.Steps = record.OptimizerSteps;
        _run = record;
        _savedStep = record.Step;
        _lastCheckpoint = checkpoint;
    }

    private void TrySave(IProgress<TrainingProgress>? progress)
    {
        try
        {
            Save(progress);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            progress?.Report(State() with { Warning = $"No checkpoint at step {_run.Step}: {exception.Message}" });
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
        _run.ConfigurationHash = HashOf(_run.Configuration);
        _run.StateLengths = [.. CarriedStates.Select(state => state.Length)];
        _lastCheckpoint = _folder.Save(_run.Step, folder =>
        {
            WithAverage(() => WriteWeights(folder));
            RunArrays.Save(folder, Arrays());
            _run.Save(folder);
        });
        _savedStep = _run.Step;
        progress?.Report(State() with { Checkpoint = _lastCheckpoint });
    }

    /// <summary>Writes the weights for others, if there is a format for them.</summary>
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

    /// <summary>All arrays that decide how the run goes on; frozen weights do not change and are not among them.</summary>
    private IEnumerable<(string Name, DeviceArray Array)> Arrays() =>
    [
        .. _module.Parameters.Where(named => named.Parameter.IsTrainable)
            .Select(named => ($"weight.{named.Name}", named.Parameter.Value)),
        .. _optimizer.State.Select(named => ($"optimizer.{named.Name}", named.Array)),
        .. _average?.State ?? [],
        .. CarriedStates.SelectMany((state, i) => state.Arrays.Select((array, j) => ($"state.{i}.{j}", array))),
    ];

    /// <summary>What decides the result, a setting a line.</summary>
    private string[] Configuration() =>
    [
        .. _options.Configuration.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
        $"optimizer {_optimizer}",
        $"schedule {_options.Schedule?.ToString() ?? "none"}",
        FormattableString.Invariant($"accumulation {_options.Accumulation}"),
        FormattableString.Invariant($"clip norm {_options.ClipNorm}"),
        FormattableString.Invariant($"average decay {_options.AverageDecay}"),
        .. _module.Parameters.Select(named =>
            $"{(named.Parameter.IsTrainable ? "weight" : "frozen")} {named.Name} {named.Parameter.Value.Shape}"),
        $"frozen weights {_frozenHash ??= FrozenHash()}",
    ];

    /// <summary>A hash of the weights that do not change, which a checkpoint does not hold.</summary>
    private string FrozenHash()
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        float[] piece = new float[1 << 18];
        foreach ((_, Parameter parameter) in _module.Parameters.Where(named => !named.Parameter.IsTrainable))
        {
            nint count = parameter.Value.Shape.Count;
            for (nint start = 0; start < count; start += piece.Length)
            {
                Span<float> part = piece.AsSpan(0, (int)Math.Min(piece.Length, count - start));
                parameter.Value.ReadElements(start, part);
                hash.AppendData(MemoryMarshal.AsBytes(part));
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static string HashOf(string[] configuration) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', configuration))));

    private void RequireSameConfiguration(string checkpoint, RunRecord record)
    {
        string[] now = Configuration();
        if (record.ConfigurationHash == HashOf(now))
        {
            return;
        }

        string[] gone = [.. record.Configuration.Except(now)], come = [.. now.Except(record.Configuration)];
        throw new InvalidOperationException(
            $"{checkpoint}: the run was begun with another configuration: " +
            $"\"{gone.FirstOrDefault()}\" then, \"{come.FirstOrDefault()}\" now.");
    }

    private void RequireOwnFolder()
    {
        if (_folder is not null && _run.Step == 0 && _folder.Checkpoints is [string newest, ..])
        {
            throw new InvalidOperationException(
                $"{newest} is a checkpoint of an earlier run. Resume it, or choose another folder; nothing was changed.");
        }
    }
}
