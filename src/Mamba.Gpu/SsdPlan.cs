using ILGPU;
using Mamba.Gpu.Kernels;
using Mamba.Memory;

namespace Mamba.Gpu;

/// <summary>An SSD cut into chunks.</summary>
internal sealed class SsdPlan
{
    public required SsdShape Shape { get; init; }

    public required GpuChunks Chunks { get; init; }

    /// <summary>The first chunk of every sequence, and the end of the last.</summary>
    public required ArrayView<int> FirstOf { get; init; }

    /// <summary>Number of chunks of all sequences.</summary>
    public required int Count { get; init; }

    public required int Sequences { get; init; }

    /// <summary>Chunks that are computed at once, so that memory is bounded.</summary>
    public required int PartLength { get; init; }

    /// <summary>Δ, rows of places in chunks, a column for each head.</summary>
    public required GpuRows Delta { get; init; }

    public required SsdSums Sums { get; init; }

    public required SsdStep Step { get; init; }

    public required SsdSkip Skip { get; init; }
}

/// <summary>What is known of some chunks that are computed at once; a row for every place in them.</summary>
internal sealed class SsdPart(int count)
{
    public int Count { get; } = count;

    public required DeviceArray B { get; init; }

    public required DeviceArray C { get; init; }

    /// <summary>Δ·x.</summary>
    public required DeviceArray Input { get; init; }

    /// <summary>L ∘ C·Bᵀ, a matrix for every head of every chunk.</summary>
    public required DeviceArray Mix { get; init; }

    /// <summary>The diagonal, if it has a weight of its own; it is 0 in <see cref="Mix"/> then.</summary>
    public required SsdDiagonal Diagonal { get; init; }

    /// <summary>What a chunk's tokens have of each other: Mix·Δx.</summary>
    public required DeviceArray Inside { get; init; }

    /// <summary>C·h, h the state before the chunk; without the decay since then.</summary>
    public required DeviceArray Across { get; init; }

    /// <summary>h before every chunk.</summary>
    public required DeviceArray Before { get; init; }

    /// <summary>Rows of B or C as a matrix for every chunk and group.</summary>
    public Matrix Coupling(DeviceArray rows, SsdShape shape) => Columns(rows, shape.States);

    /// <summary>Rows of channels as a matrix for every chunk and head.</summary>
    public Matrix Heads(DeviceArray rows, SsdShape shape) => Columns(rows, shape.HeadDim);

    /// <summary>Rows of channels as a matrix for every chunk and group of heads.</summary>
    public Matrix Groups(DeviceArray rows, SsdShape shape) => Columns(rows, shape.Channels / shape.Groups);

    /// <summary>States, [channels, states] for every chunk, as a matrix for every chunk and group.</summary>
    public static Matrix States(DeviceArray states, SsdShape shape) => new(
        states, 0, shape.States, (long)shape.Channels * shape.States,
        (long)shape.Channels / shape.Groups * shape.States);

    /// <summary>Matrices [chunk, chunk], <paramref name="each"/> for every chunk.</summary>
    public static Matrix PairsOf(DeviceArray pairs, int each)
    {
        long size = (long)pairs.Shape.Width * pairs.Shape.Width;
        return new(pairs, 0, pairs.Shape.Width, each * size, size);
    }

    private Matrix Columns(DeviceArray rows, int width) =>
        new(rows, 0, rows.Pitch, rows.Shape.Rows / Count * rows.Pitch, width);
}
