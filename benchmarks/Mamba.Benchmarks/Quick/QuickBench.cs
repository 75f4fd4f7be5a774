using Mamba.Cpu;
using Mamba.Memory;
using Mamba.Models;

namespace Mamba.Benchmarks.Quick;

/// <summary>Models of the published shapes, created once and shared by the rows.</summary>
internal sealed class QuickBench : IDisposable
{
    private readonly Dictionary<string, SavedModel> _saved = [];
    private (string Name, Precision Precision) _loaded;
    private CpuDevice? _device;
    private BenchModel? _model;

    /// <summary>A model in a temporary folder.</summary>
    public SavedModel Saved(string name, LanguageModelConfig config)
    {
        if (!_saved.TryGetValue(name, out SavedModel? saved))
        {
            _saved.Add(name, saved = new(config));
        }

        return saved;
    }

    /// <summary>A model, which is freed when a row requests another one.</summary>
    public BenchModel Model(string name, LanguageModelConfig config, Precision precision = Precision.Float32)
    {
        if (_loaded != (name, precision) || _model is null)
        {
            Unload();
            _device = new();
            _model = new(MambaLanguageModel.Load(Saved(name, config).Folder, _device, precision: precision));
            _loaded = (name, precision);
        }

        return _model;
    }

    public void Dispose()
    {
        Unload();
        foreach (SavedModel saved in _saved.Values)
        {
            saved.Dispose();
        }
    }

    private void Unload()
    {
        _model?.Dispose();
        _device?.Dispose();
        _model = null;
    }
}
