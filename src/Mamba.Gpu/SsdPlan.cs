using ILGPU;
using Mamba.Gpu.Kernels;
using Mamba.Memory;

namespace Mamba.Gpu;

/// <summary>The chunks of an SSD, with their Δ and decays.</summary>
internal sealed class SsdPlan
{
    public required SsdShape Shape { get; init; }

    public required GpuChunks Chunks { get; init; }

    /// <summary>The first chunk of every sequence, and the end of the last.</summary>
    public required ArrayView<int> FirstOf { get; init; }

    /// <summary>Number of chunks of all sequences.</summary>
    public required int Count { get; init; }

    public required int Sequences { get; init; }

    /// <summary>Chunks of a part; parts are computed one after the other, to bound the memory.</summary>
    public required int PartLength { get; init; }

    /// <summary>Δ in chunk layout, one column per head.</summary>
    public required GpuRows Delta { get; init; }

    public required SsdSums Sums { get; init; }

    public required SsdStep Step { get; init; }

    public required SsdSkip Skip { get; init; }
}

/// <summary>Intermediate arrays of one part (some chunks), in chunk layout.</summary>
internal sealed class SsdPart(int count)
{
    public int Count { get; } = count;

    public required DeviceArray B { get; init; }

    public required DeviceArray C { get; init; }

    /// <summary>Δ·x.</summary>
    public required DeviceArray Input { get; init; }

    /// <summary>L ∘ C·Bᵀ, one matrix per head and chunk.</summary>
    public required DeviceArray Mix { get; init; }

    /// <summary>The diagonal, if it has its own weight; it is 0 in <see cref="Mix"/> then.</summary>
    public required SsdDiagonal Diagonal { get; init; }

    /// <summary>Output of the diagonal blocks: Mix·Δx.</summary>
    public required DeviceArray Inside { get; init; }

    /// <summary>C·h with h the state before the chunk, without the decay since then.</summary>
    public required DeviceArray Across { get; init; }

    /// <summary>h before each chunk.</summary>
    public required DeviceArray Before { get; init; }

    /// <summary>Rows of B or C, as one matrix per chunk and group.</summary>
    public Matrix Coupling(DeviceArray rows, SsdShape shape) => Columns(rows, shape.States);

    /// <summary>Rows of channels, as one matrix per chunk and head.</summary>
    public Matrix Heads(DeviceArray rows, SsdShape shape) => Columns(rows, shape.HeadDim);

    /// <summary>Rows of channels, as one matrix per chunk and group of heads.</summary>
    public Matrix Groups(DeviceArray rows, SsdShape shape) => Columns(rows, shape.Channels / shape.Groups);

    /// <summary>States, [channels, states] per chunk, as one matrix per chunk and group.</summary>
    public static Matrix States(DeviceArray states, SsdShape shape) => new(
        states, 0, shape.States, (long)shape.Channels * shape.States,
        (long)shape.Channels / shape.Groups * shape.States);

    /// <summary>Matrices [chunk, chunk], <paramref name="each"/> per chunk.</summary>
    public static Matrix PairsOf(DeviceArray pairs, int each)
    {
        long size = (long)pairs.Shape.Width * pairs.Shape.Width;
        return new(pairs, 0, pairs.Shape.Width, each * size, size);
    }

    private Matrix Columns(DeviceArray rows, int width) =>
        new(rows, 0, rows.Pitch, rows.Shape.Rows / Count * rows.Pitch, width);
}
