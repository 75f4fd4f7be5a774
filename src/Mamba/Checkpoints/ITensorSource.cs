namespace Mamba.Checkpoints;

/// <summary>A checkpoint that tensors can be read from, by name, whatever its format and number of files.</summary>
/// <remarks>Several threads may read at the same time, each into a span of its own.</remarks>
/// <example>
/// <code>
/// using ITensorSource source = SafetensorsFile.Open("model.safetensors");
/// module.Load(source);
/// </code>
/// </example>
public interface ITensorSource : IDisposable
{
    /// <summary>The file that was opened; for several files, their index.</summary>
    string Path { get; }

    /// <summary>All tensors by name.</summary>
    IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>Reads a whole tensor as float32.</summary>
    /// <param name="name">The tensor; F32, F16, BF16 or F64.</param>
    /// <param name="target">Receives the elements, row by row; exactly as long as the tensor.</param>
    /// <exception cref="InvalidDataException">There is no such tensor, or its elements are not floats.</exception>
    /// <exception cref="ArgumentException"><paramref name="target"/> is of another length.</exception>
    void Read(string name, Span<float> target);

    /// <summary>Reads a part of a tensor as float32, for tensors that are too long for one span.</summary>
    /// <param name="name">The tensor; F32, F16, BF16 or F64.</param>
    /// <param name="start">First element to read, counted row by row.</param>
    /// <param name="target">Receives as many elements as it is long.</param>
    /// <exception cref="InvalidDataException">There is no such tensor, or its elements are not floats.</exception>
    /// <exception cref="ArgumentException">The part reaches outside the tensor.</exception>
    void ReadRange(string name, long start, Span<float> target);
}
