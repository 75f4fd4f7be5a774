namespace Mamba.Models.Gguf;

/// <summary>A tensor of a GGUF file: name, type and sizes.</summary>
public sealed class GgufTensor
{
    private readonly long[] _shape;

    /// <summary>Makes a description whose sizes have been checked.</summary>
    internal GgufTensor(string name, GgufType type, long[] shape, int part, long offset)
    {
        (int elements, int bytes) = type.Block();
        Name = name;
        Type = type;
        _shape = shape;
        Part = part;
        Offset = offset;
        Count = 1;
        foreach (long size in shape)
        {
            Count = checked(Count * size);
        }

        ByteLength = checked(Count / elements * bytes);
    }

    /// <summary>The name, such as <c>blk.0.ssm_in.weight</c>.</summary>
    public string Name { get; }

    /// <summary>How the elements are stored.</summary>
    public GgufType Type { get; }

    /// <summary>
    /// The sizes, the last axis fastest: the reverse of the order in the file. Leading sizes of 1 are left out.
    /// </summary>
    public ReadOnlySpan<long> Shape => _shape;

    /// <summary>Number of elements.</summary>
    public long Count { get; }

    /// <summary>Number of bytes of all elements.</summary>
    public long ByteLength { get; }

    /// <summary>Index of the file that holds the elements, if the model is split over several.</summary>
    internal int Part { get; }

    /// <summary>First byte, counted from the start of that file.</summary>
    internal long Offset { get; }

    /// <inheritdoc/>
    public override string ToString() => $"{Type} [{string.Join(", ", _shape)}]";
}
