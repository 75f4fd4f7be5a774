namespace Mamba.Checkpoints;

/// <summary>What a checkpoint says of one of its tensors.</summary>
/// <example>
/// <code>
/// using SafetensorsFile file = SafetensorsFile.Open("model.safetensors");
/// TensorInfo info = file.Tensors["weight"];
/// float[] elements = new float[info.Count];
/// file.Read(info.Name, elements);
/// </code>
/// </example>
public sealed class TensorInfo
{
    /// <summary>The most axes of a tensor in a file; published models have 4.</summary>
    internal const int MaxRank = 16;

    private readonly long[] _shape;

    /// <summary>Checks the sizes and multiplies them; the caller names the file and the tensor.</summary>
    /// <exception cref="OverflowException">The number of bytes does not fit 63 bits.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A size is negative.</exception>
    internal TensorInfo(string name, ElementType type, long[] shape, long offset)
    {
        long count = 1;
        foreach (long size in shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(size, nameof(shape));
            count = checked(count * size);
        }

        Name = name;
        Type = type;
        _shape = shape;
        Count = count;
        ByteLength = checked(count * type.Size());
        Offset = offset;
    }

    /// <summary>The name.</summary>
    public string Name { get; }

    /// <summary>How an element is stored.</summary>
    public ElementType Type { get; }

    /// <summary>The sizes, the last axis fastest; empty for a single number.</summary>
    public ReadOnlySpan<long> Shape => _shape;

    /// <summary>Number of elements.</summary>
    public long Count { get; }

    /// <summary>Number of bytes of all elements.</summary>
    public long ByteLength { get; }

    /// <summary>First byte, counted from the start of the file or storage that holds the elements.</summary>
    internal long Offset { get; }

    /// <summary>The same of a tensor of another name.</summary>
    internal TensorInfo Named(string name) => new(name, Type, _shape, Offset);

    /// <inheritdoc/>
    public override string ToString() => $"{Type} [{string.Join(", ", _shape)}]";
}
