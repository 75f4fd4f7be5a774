using Mamba.Checkpoints;

namespace Mamba.Models.Checkpoints;

/// <summary>A checkpoint without tensors, for a complete configuration.</summary>
internal sealed class NoTensors : ITensorSource
{
    public string Path => "";

    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; } = new Dictionary<string, TensorInfo>();

    public void Read(string name, Span<float> target) => throw Missing(name);

    public void ReadRange(string name, long start, Span<float> target) => throw Missing(name);

    public void Dispose()
    {
        // Nothing to free.
    }

    private static InvalidDataException Missing(string name) => new($"Expected a tensor \"{name}\"; found none.");
}
