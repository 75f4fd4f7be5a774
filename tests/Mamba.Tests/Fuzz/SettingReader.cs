using System.Text;
using System.Text.Json;
using Mamba.Cli.Train;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models.Data;

namespace Mamba.Tests.Fuzz;

/// <summary>The reader of the tool's settings: those of a run, and those that a user gives beside them.</summary>
internal sealed class SettingReader : IDisposable
{
    private const string SettingsName = "settings.json", OwnName = "own.json";

    private readonly string _file;
    private readonly TrainSettings _settings;

    public SettingReader(string folder)
    {
        _file = Path.Combine(folder, SettingsName);
        SettingSources sources = new();
        sources.AddFile(_file);
        sources.AddFile(Path.Combine(folder, OwnName));
        _settings = sources.Settings();
    }

    public static FuzzReader Reader { get; } = new()
    {
        Name = "settings",
        Seeds = RunSeeds.Settings(SettingsName, OwnName),
        Open = (folder, _) => new SettingReader(folder),
        Use = (opened, device) => ((SettingReader)opened).Use(device),
        Refusals = [typeof(InvalidDataException)],
    };

    public void Dispose()
    {
    }

    /// <summary>Makes what the settings describe, and saves what is read as the same.</summary>
    private void Use(Device device)
    {
        ModelSettings.Config(_settings).Validate();
        ModelSettings.MakeOptions(_settings, []).Validate();
        using Linear module = new(device, 2, 2, bias: false, new Random(1));
        ModelSettings.MakeOptimizer(_settings, module).Dispose();
        _settings.Output.Should().NotBeNullOrWhiteSpace();
        new CorpusOptions
        {
            TokenBytes = _settings.TokenBytes,
            Separator = [.. Encoding.UTF8.GetBytes(_settings.Separator)],
            HeldOut = _settings.HeldOut,
            VocabularySize = _settings.Vocabulary,
        }.Validate();
        if (_settings.Batches == BatchKind.Packed)
        {
            (_settings.Batch * _settings.Length).Should().BeGreaterThan(1);
        }

        if (_settings.LoraRank > 0)
        {
            new LowRankOptions { Rank = _settings.LoraRank, Alpha = _settings.LoraAlpha }.Validate();
        }

        if (_settings.From.Length == 0)
        {
            File.WriteAllBytes(_file, JsonSerializer.SerializeToUtf8Bytes(_settings, TrainSettings.Json));
            SettingSources sources = new();
            sources.AddFile(_file);
            sources.Settings().Should().Be(_settings);
        }
    }
}
