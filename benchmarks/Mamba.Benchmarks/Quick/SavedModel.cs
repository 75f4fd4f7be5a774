using Mamba.Cpu;
using Mamba.Models;

namespace Mamba.Benchmarks.Quick;

/// <summary>A random model in a temporary folder; loading it is faster than drawing the weights again.</summary>
internal sealed class SavedModel : IDisposable
{
    private const string WeightsName = "model.safetensors";

    public SavedModel(LanguageModelConfig config)
    {
        Folder = Directory.CreateTempSubdirectory("mamba-benchmark-").FullName;
        using CpuDevice device = new();
        using MambaLanguageModel model = new(device, config, new Random(1));
        model.Save(Folder);
    }

    public string Folder { get; }

    /// <summary>Size of the weights' file.</summary>
    public long Bytes => new FileInfo(Path.Combine(Folder, WeightsName)).Length;

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
