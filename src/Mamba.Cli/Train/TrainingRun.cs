using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mamba.Checkpoints;
using Mamba.Devices;
using Mamba.Models;
using Mamba.Models.Data;
using Mamba.Models.Training;

namespace Mamba.Cli.Train;

/// <summary>A run of <c>mamba train</c>: data, model, optimiser and trainer, as the settings have it.</summary>
internal sealed partial class TrainingRun : IDisposable
{
    private const string LogName = "log.csv", PlotName = "loss.svg";

    private readonly Stack<IDisposable> _owned = new();
    private readonly List<string> _unsaved = [];
    private readonly TrainSettings _settings;
    private readonly bool _isResumed;
    private readonly TrainingScreen _screen;
    private readonly CancellationToken _cancellation;
    private readonly TokenCorpus _corpus;
    private readonly ITokenBatches _batches;
    private readonly MambaLanguageModel _model;
    private readonly ModelState? _state;
    private readonly Trainer _trainer;
    private RunLock? _lock;
    private RunLog? _log;

    /// <summary>Opens the data and makes the model; nothing is written yet.</summary>
    public TrainingRun(SettingSources sources, bool isResumed, TrainingScreen screen, CancellationToken cancellation)
    {
        _settings = sources.Settings();
        (_isResumed, _screen, _cancellation) = (isResumed, screen, cancellation);
        try
        {
            if (Directory.Exists(_settings.Output))
            {
                Claim(); // before the data are read, which may take minutes
            }

            _corpus = Own(OpenCorpus());
            _batches = Batches();
            cancellation.ThrowIfCancellationRequested();
            Device device = Own(DeviceSetting.Read(_settings.Device, _settings.Threads).Open());
            _model = Own(ModelMaker.Make(_settings, sources.NameOf, device));
            if (_settings.Batches == BatchKind.Streams)
            {
                _state = Own(_model.CreateState(_settings.Batch));
            }

            cancellation.ThrowIfCancellationRequested();
            _trainer = Own(MakeTrainer());
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private string Unit => _settings.TokenBytes == 1 ? "bits per byte" : "bits per token";

    private string Settings
    {
        get
        {
            JsonObject all = JsonSerializer.SerializeToNode(_settings, TrainSettings.Json)!.AsObject();
            foreach (SettingKind kind in SettingKind.All.Where(kind => kind.IsShape && _settings.From.Length > 0))
            {
                all.Remove(kind.Key); // the loaded model has sizes of its own
            }

            return all.ToJsonString(TrainSettings.Json);
        }
    }

    /// <summary>Trains, and writes log and plot, and the models unless the run is cancelled.</summary>
    /// <exception cref="OperationCanceledException">The run was cancelled, and has been saved.</exception>
    /// <exception cref="IOException">The run is done, and something could not be saved.</exception>
    public void Train()
    {
        Claim();
        _trainer.Claim(_lock!);
        if (_isResumed && !Resume())
        {
            _screen.Say("There is no checkpoint yet: the run starts from the beginning.");
        }

        AtomicFile.WriteIfChanged(In(ModelFolder.SettingsName), Encoding.UTF8.GetBytes(Settings));
        Introduce();
        TrainingResult? result = Run();
        if (result is { End: TrainingEnd.Cancelled })
        {
            _screen.Say(
                $"Stopped at step {result.Step}; continue with: mamba train --output {_settings.Output} --resume");
        }
        else if (result is not null)
        {
            Finish(result);
            _unsaved.AddRange(_screen.Fault is { } fault ? [$"The output on the screen is incomplete: {fault}"] : []);
        }

        if (_unsaved.Count > 0)
        {
            throw new IOException(string.Join(" ", _unsaved));
        }

        if (result!.End == TrainingEnd.Cancelled)
        {
            throw new OperationCanceledException(_cancellation);
        }
    }

    /// <summary>Frees everything, the last first.</summary>
    public void Dispose()
    {
        while (_owned.TryPop(out IDisposable? owned))
        {
            owned.Dispose();
        }
    }

    /// <summary>Locks the folder, and makes sure that a new run overwrites none.</summary>
    private void Claim()
    {
        if (_lock is not null)
        {
            return;
        }

        _lock = Own(RunLock.Take(_settings.Output));
        if (!_isResumed && (File.Exists(In(ModelFolder.SettingsName))
            || Directory.EnumerateDirectories(_settings.Output, ModelFolder.Checkpoints).Any()))
        {
            throw new InvalidOperationException(
                $"{_settings.Output} holds a run. Continue it with --resume, or choose another --output; nothing was " +
                "changed.");
        }
    }

    /// <summary>Trains, and writes log and plot.</summary>
    /// <returns>How the run ended; null: its last checkpoint could not be saved.</returns>
    private TrainingResult? Run()
    {
        using RunLog log = _log = new(In(LogName), _trainer.Step, _screen.Say);
        try
        {
            return _screen.Show(progress => _trainer.Run(new Both(log, progress), _cancellation), Unit);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            _unsaved.Add(exception.Message);
            return null;
        }
        finally
        {
            SavePlot(log);
            log.Flush(toDisk: true);
            _unsaved.AddRange(log.Fault is { } fault ? [fault] : []);
        }
    }

    private bool Resume()
    {
        try
        {
            return _trainer.Resume(new Warnings(_screen), _cancellation);
        }
        catch (InvalidOperationException exception)
        {
            throw new InvalidOperationException(
                $"{exception.Message} To begin a new run: mamba train --from {ModelFolder.OfRun(_settings.Output)} " +
                $"--output NAME, with the settings of your choice.",
                exception);
        }
    }

    private void Introduce()
    {
        _screen.Say(string.Create(
            CultureInfo.InvariantCulture,
            $"{_model.ParameterCount:N0} parameters on {_model.Device}; {_corpus.Training.Length:N0} tokens in " +
            $"{_corpus.Training.DocumentCount:N0} documents to train on, {_corpus.HeldOut.Length:N0} held out"));
        foreach (string line in Readings.Describe(_settings, _corpus))
        {
            _screen.Say(line);
        }
    }

    /// <summary>
    /// Saves the model of the best evaluation, and the last one beside it, and tells how the run went.
    /// </summary>
    private void Finish(TrainingResult result)
    {
        long step = new FinishedModels(_settings, _model, _trainer, _screen.Say).Save(result);
        List<(string, string)> rows = [("model", In(ModelFolder.Name)), ("log", In(LogName)), ("plot", In(PlotName))];
        if (_settings.EvaluateTokens > 0 && _corpus.HeldOut.Length - 1 > _settings.EvaluateTokens)
        {
            rows.Insert(0, ("all held-out text", $"{RunSummary.Bits(Evaluate(0))}, model of step {step:N0}"));
        }

        RunSummary.Tell(_screen, result, Unit, [.. rows]);
    }

    private void SavePlot(RunLog log)
    {
        string title = string.Create(
            CultureInfo.InvariantCulture,
            $"{Path.GetFileName(Path.GetFullPath(_settings.Output))}: {_model.ParameterCount:N0} parameters");
        try
        {
            byte[] plot = Encoding.UTF8.GetBytes(LossPlot.Draw(title, Unit, Bits(log.Training), Bits(log.HeldOut)));
            AtomicFile.WriteIfChanged(In(PlotName), plot);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            _unsaved.Add($"{In(PlotName)} could not be written: {exception.Message}");
        }
    }

    private static List<(long Step, double Loss)> Bits(List<(long Step, double Loss)> nats) =>
        nats.ConvertAll(point => (point.Step, point.Loss / Math.Log(2)));

    private string In(string name) => Path.Combine(_settings.Output, name);

    private T Own<T>(T owned)
        where T : IDisposable
    {
        _owned.Push(owned);
        return owned;
    }

    private sealed class Both(RunLog log, IProgress<TrainingProgress> progress) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            log.Add(value);
            progress.Report(value);
        }
    }

    private sealed class Warnings(TrainingScreen screen) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => screen.Say(value.Warning ?? "");
    }
}
