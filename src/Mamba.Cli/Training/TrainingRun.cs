using System.Globalization;
using System.Text;
using System.Text.Json;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Checkpoints;
using Mamba.Models.Data;
using Mamba.Models.Training;
using Mamba.Training;

namespace Mamba.Cli.Training;

/// <summary>A run of <c>mamba train</c>: data, model, optimiser and trainer, as the settings have it.</summary>
internal sealed class TrainingRun : IDisposable
{
    public const string SettingsName = "settings.json";
    private const string LogName = "log.csv", PlotName = "loss.svg", ModelName = "model", AdapterName = "adapter";

    private readonly Stack<IDisposable> _owned = new();
    private readonly TrainSettings _settings;
    private readonly TokenCorpus _corpus;
    private readonly ITokenBatches _batches;
    private readonly MambaLanguageModel _model;
    private readonly ModelState? _state;
    private readonly Trainer _trainer;

    /// <summary>Opens the data and makes the model; nothing is written yet.</summary>
    public TrainingRun(TrainSettings settings)
    {
        _settings = settings;
        try
        {
            _corpus = Own(OpenCorpus());
            _batches = Batches();
            Device device = Own(DeviceKinds.Open(_settings.Device, _settings.Threads));
            _model = Own(MakeModel(device));
            if (settings.Batches == BatchKind.Streams)
            {
                _state = Own(_model.CreateState(settings.Batch));
            }

            _trainer = Own(MakeTrainer());
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private string Unit => _settings.TokenBytes == 1 ? "bits per byte" : "bits per token";

    /// <summary>Trains, and writes log and plot, and the model unless the run is cancelled.</summary>
    public void Train(bool isResumed, TrainingScreen screen, CancellationToken cancellation)
    {
        if (isResumed && !_trainer.Resume(new Warnings(screen)))
        {
            screen.Say("No checkpoint yet: the run begins again.");
        }

        Directory.CreateDirectory(_settings.Output);
        string settings = In(SettingsName);
        if (_trainer.Step == 0 && !isResumed && File.Exists(settings))
        {
            throw new InvalidOperationException(
                $"{_settings.Output} holds a run. Go on with it by --resume, or choose another --output; nothing was changed.");
        }

        File.WriteAllText(settings, JsonSerializer.Serialize(_settings, TrainSettings.Json));
        screen.Say(string.Create(
            CultureInfo.InvariantCulture,
            $"{_model.ParameterCount:N0} parameters on {_model.Device}; {_corpus.Training.Length:N0} tokens in " +
            $"{_corpus.Training.DocumentCount:N0} documents to train on, {_corpus.HeldOut.Length:N0} held out"));
        using RunLog log = new(In(LogName), _trainer.Step);
        TrainingResult result;
        try
        {
            result = screen.Show(progress => _trainer.Run(new Both(log, progress), cancellation), Unit);
        }
        finally
        {
            File.WriteAllText(In(PlotName), Plot(log));
        }

        if (result.End == TrainingEnd.Cancelled)
        {
            screen.Say($"Stopped at step {result.Step}; go on with: mamba train --output {_settings.Output} --resume");
            return;
        }

        SaveModel(result.Checkpoint!);
        if (_settings.LoraRank > 0)
        {
            _model.SaveAdapters(In(AdapterName));
        }

        Tell(screen, result);
    }

    /// <summary>Frees everything, the last first.</summary>
    public void Dispose()
    {
        while (_owned.TryPop(out IDisposable? owned))
        {
            owned.Dispose();
        }
    }

    private TokenCorpus OpenCorpus() => _settings.Data.Length == 0
        ? throw new ArgumentException("Expected --data, a file or a folder to learn from.")
        : TokenCorpus.Open(_settings.Data, new()
        {
            TokenBytes = _settings.TokenBytes,
            Separator = [.. Encoding.UTF8.GetBytes(_settings.TokenBytes == 1 ? _settings.Separator : "")],
            HeldOut = _settings.HeldOut,
            Seed = (ulong)_settings.Seed,
            VocabularySize = _settings.Vocabulary,
        });

    private ITokenBatches Batches()
    {
        (TokenSequence stream, ulong seed) = (_corpus.Training, (ulong)_settings.Seed);
        return _settings.Batches switch
        {
            BatchKind.Windows => new WindowBatches(stream, _settings.Batch, _settings.Length, seed),
            BatchKind.Streams => new StreamBatches(stream, _settings.Batch, _settings.Length),
            _ => new PackedBatches(stream, checked(_settings.Batch * _settings.Length), seed),
        };
    }

    private MambaLanguageModel MakeModel(Device device)
    {
        Random random = new(_settings.Seed);
        MambaLanguageModel model = _settings.From.Length > 0
            ? MambaLanguageModel.Load(_settings.From, device)
            : new(device, ModelSettings.Config(_settings), random);
        if (model.Config.VocabularySize < _settings.Vocabulary)
        {
            int found = model.Config.VocabularySize;
            model.Dispose();
            throw new InvalidDataException(
                $"--vocabulary: the data have {_settings.Vocabulary} tokens; {_settings.From} knows {found}.");
        }

        model.RecomputeActivations = _settings.Recompute;
        if (_settings.LoraRank > 0)
        {
            LowRank.Adapt(model, new() { Rank = _settings.LoraRank, Alpha = _settings.LoraAlpha }, random);
        }

        if (_settings.InitialState)
        {
            foreach (RecurrentMixer mixer in model.Blocks.Select(block => block.Mixer).OfType<RecurrentMixer>())
            {
                mixer.LearnInitialState();
            }
        }

        return model;
    }

    private Trainer MakeTrainer()
    {
        Optimizer optimizer = Own(ModelSettings.MakeOptimizer(_settings, _model));
        TrainerOptions options = ModelSettings.MakeOptions(_settings);
        return new(_model, optimizer, options, Loss)
        {
            CarriedStates = _state?.Layers ?? [],
            Evaluate = _corpus.HeldOut.Length > 1 ? Evaluate : null,
        };
    }

    private DeviceArray Loss(long number)
    {
        TokenBatch batch = _batches[number];
        if (batch.Begins && _state is not null)
        {
            BeginAnew(_state);
        }

        return _model.Loss(batch.Inputs, batch.Targets, batch.Rows, _state, batch.Segments);
    }

    private void BeginAnew(ModelState state)
    {
        using ModelState fresh = _model.CreateState(state.Batch);
        for (int i = 0; i < state.Layers.Count; i++)
        {
            state.Layers[i].CopyFrom(fresh.Layers[i]);
        }
    }

    /// <summary>The last evaluation takes all that is held out, those before it a part.</summary>
    private double Evaluate()
    {
        bool isLast = _trainer.Step == _settings.Steps || _settings.EvaluateTokens == 0;
        return Evaluation.MeanLoss(_model, _corpus.HeldOut, isLast ? long.MaxValue : _settings.EvaluateTokens);
    }

    /// <summary>Writes the model of a checkpoint once more, stored as asked for.</summary>
    private void SaveModel(string checkpoint)
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = MambaLanguageModel.Load(checkpoint, device);
        model.Save(In(ModelName), _settings.Store switch
        {
            StoredAs.BF16 => ElementType.BF16,
            StoredAs.F16 => ElementType.F16,
            _ => ElementType.F32,
        });
    }

    private void Tell(TrainingScreen screen, TrainingResult result)
    {
        static string Number(double? nats) =>
            nats is { } value ? (value / Math.Log(2)).ToString("0.0000", CultureInfo.InvariantCulture) : "-";
        screen.Tell(
            ("ended", result.End == TrainingEnd.StoppedEarly ? "early: held out no longer improved" : "all steps done"),
            ("steps", string.Create(CultureInfo.InvariantCulture, $"{result.Step:N0}, {result.SkippedSteps:N0} skipped")),
            ("time", result.Elapsed.ToString(@"d\.hh\:mm\:ss", CultureInfo.InvariantCulture)),
            ($"training, {Unit}", Number(result.Loss)),
            ($"held out, {Unit}", Number(result.Evaluation)),
            ("model", In(ModelName)),
            ("log", In(LogName)),
            ("plot", In(PlotName)));
    }

    private string Plot(RunLog log) => LossPlot.Draw(
        $"{Path.GetFileName(_settings.Output)}: {_model.ParameterCount:N0} parameters", Unit, Bits(log.Training), Bits(log.HeldOut));

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
