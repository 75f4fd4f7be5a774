using System.Diagnostics;
using Mamba.Devices;
using Mamba.Models;
using Mamba.Models.Generation;

namespace Mamba.Cli.Bench;

/// <summary>Loads a model and measures how fast it reads prompts and writes tokens.</summary>
/// <remarks>Nothing is sampled: which token is read next makes no difference to the time that it takes.</remarks>
internal sealed class BenchRun
{
    private const int WarmUpTokens = 16; // the runtime compiles anew, and better, what is called often

    private readonly BenchSettings _settings;
    private readonly MambaLanguageModel _model;
    private readonly CancellationToken _cancellation;
    private readonly float[] _logits;

    public BenchRun(BenchSettings settings, MambaLanguageModel model, CancellationToken cancellation)
    {
        _settings = settings;
        _model = model;
        _cancellation = cancellation;
        _logits = new float[checked(settings.Batch * model.Config.PaddedVocabularySize)];
    }

    /// <summary>Loads a folder or a preset.</summary>
    public static MambaLanguageModel Load(BenchSettings settings, Device device)
    {
        MambaLanguageModel model = settings.Preset is { } name
            ? new(device, Presets.Find(name), new Random(1))
            : MambaLanguageModel.Load(ModelFolder.Find(settings.Folder!), device, precision: settings.Weights);
        if (settings.Weights is { } weights)
        {
            model.Narrow(weights);
        }

        return model;
    }

    /// <summary>Loads and measures.</summary>
    /// <param name="settings">What to measure.</param>
    /// <param name="progress">Hears what is being done.</param>
    /// <param name="cancellation">Looked at before every token.</param>
    /// <exception cref="ArgumentException">The settings make no sense.</exception>
    public static BenchReport Run(BenchSettings settings, IProgress<string> progress, CancellationToken cancellation)
    {
        settings.Validate();
        if (settings.Preset is { } name)
        {
            _ = Presets.Find(name); // an unknown one is refused before the device is opened
        }

        using Device device = DeviceSetting.Read(settings.Device, settings.Threads).Open();
        progress.Report($"loading {settings.Preset ?? settings.Folder}");
        long start = Stopwatch.GetTimestamp();
        using MambaLanguageModel model = Load(settings, device);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new BenchRun(settings, model, cancellation).Measure(seconds, progress);
    }

    private BenchReport Measure(double loadSeconds, IProgress<string> progress)
    {
        progress.Report("warming up");
        Pass(_settings.Prompt, Math.Min(_settings.Tokens, WarmUpTokens));
        (double Prefill, double[] Steps)[] passes = new (double, double[])[_settings.Repeat];
        for (int i = 0; i < passes.Length; i++)
        {
            progress.Report($"measuring, {i + 1} of {passes.Length}");
            passes[i] = Pass(_settings.Prompt, _settings.Tokens);
        }

        using Process process = Process.GetCurrentProcess();
        return new()
        {
            Model = _settings.Preset ?? _settings.Folder!,
            IsPreset = _settings.Preset is not null,
            Parameters = _model.ParameterCount,
            Weights = Options.NameOf(_settings.Weights ?? _model.Embedding.Weight.Value.Precision),
            Prompt = _settings.Prompt,
            Tokens = _settings.Tokens,
            Batch = _settings.Batch,
            Repeat = _settings.Repeat,
            LoadSeconds = loadSeconds,
            PrefillTokensPerSecond = (double)_settings.Batch * _settings.Prompt / Median(passes, pass => pass.Prefill),
            DecodeTokensPerSecond =
                (double)_settings.Batch * _settings.Tokens / Median(passes, pass => pass.Steps.Sum()),
            LatencyMs = Latencies.Of(passes.SelectMany(pass => pass.Steps)),
            DeviceBytes = _model.Device.AllocatedBytes,
            PeakWorkingSetBytes = process.PeakWorkingSet64 is > 0 and long peak ? peak : null,
            Device = _model.Device.Description,
        };
    }

    /// <summary>Reads a prompt and writes tokens, and gives the seconds that each took.</summary>
    public (double Prefill, double[] Steps) Pass(int prompt, int tokens)
    {
        using ModelState state = _model.CreateState(_settings.Batch);
        long start = Stopwatch.GetTimestamp();
        int pieceLength = new GenerationOptions().PrefillLength;
        for (int position = 0; position < prompt; position += pieceLength)
        {
            _cancellation.ThrowIfCancellationRequested();
            _model.Prefill(Ids(position, Math.Min(pieceLength, prompt - position)), state, _logits);
        }

        double prefill = Stopwatch.GetElapsedTime(start).TotalSeconds;
        double[] steps = new double[tokens];
        for (int i = 0; i < steps.Length; i++)
        {
            _cancellation.ThrowIfCancellationRequested();
            int[] ids = Ids(prompt + i, 1);
            start = Stopwatch.GetTimestamp();
            _model.Step(ids, state, _logits);
            steps[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        return (prefill, steps);
    }

    /// <summary>A piece of every conversation; each begins elsewhere in the vocabulary and counts up.</summary>
    private int[] Ids(int position, int length)
    {
        int[] ids = new int[checked(_settings.Batch * length)];
        for (int i = 0; i < ids.Length; i++)
        {
            long row = i / length, column = position + (i % length);
            ids[i] = (int)(((row * 101) + column) % _model.Config.VocabularySize);
        }

        return ids;
    }

    private static double Median<T>(T[] values, Func<T, double> selector)
    {
        double[] sorted = [.. values.Select(selector).Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
