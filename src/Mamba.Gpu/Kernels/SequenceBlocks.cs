using Mamba.Operations;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// Blocks of consecutive tokens; no block spans two sequences. If the lengths differ, some blocks are empty.
/// </summary>
/// <param name="sequences">The sequences.</param>
/// <param name="length">Tokens of a block.</param>
internal readonly struct SequenceBlocks(GpuSequences sequences, int length)
{
    public GpuSequences Sequences { get; } = sequences;

    /// <summary>Tokens of a block.</summary>
    public int Length { get; } = length;

    /// <summary>Number of blocks, for the host.</summary>
    public static long CountOf(in Sequences sequences, int length) => sequences.Segments is not null
        ? (sequences.Tokens / length) + (long)sequences.Count
        : sequences.Count == 0 ? 0 : sequences.Count * GpuDevice.Groups(sequences.Length(0), length);

    /// <summary>The sequence of a block.</summary>
    public int SequenceOf(int block)
    {
        if (Sequences.HasEqualLengths)
        {
            return block / ((Sequences.Length(0) + Length - 1) / Length);
        }

        int low = 0, high = Sequences.Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (FirstOf(middle) <= block)
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }

        return low;
    }

    /// <summary>The first token of a block, relative to its sequence.</summary>
    public int TokenOf(int block, int sequence) => (block - FirstOf(sequence)) * Length;

    /// <summary>A sequence's first block. Each sequence before it has room for a partial last block.</summary>
    private int FirstOf(int sequence) => Sequences.HasEqualLengths
        ? sequence * ((Sequences.Length(0) + Length - 1) / Length)
        : (Sequences.Start(sequence) / Length) + sequence;
}
