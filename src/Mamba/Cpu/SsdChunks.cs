using Mamba.Kernels;
using Mamba.Operations;

namespace Mamba.Cpu;

/// <summary>
/// The chunks of an SSD's sequences. Chunks are numbered consecutively over all sequences; every sequence has at least
/// one.
/// </summary>
internal readonly unsafe struct SsdChunks
{
    private readonly Sequences _sequences;
    private readonly int* _first;

    /// <summary>Counts the chunks.</summary>
    /// <param name="sequences">The sequences.</param>
    /// <param name="length">Tokens of a chunk.</param>
    /// <param name="first">Memory for <c>sequences + 1</c> integers.</param>
    public SsdChunks(Sequences sequences, int length, int* first)
    {
        _sequences = sequences;
        _first = first;
        Length = length;
        first[0] = 0;
        for (int sequence = 0; sequence < sequences.Count; sequence++)
        {
            first[sequence + 1] = first[sequence] + CountOf(sequences.Length(sequence), length);
        }
    }

    /// <summary>Tokens of a chunk.</summary>
    public int Length { get; }

    /// <summary>Number of chunks of all sequences.</summary>
    public int Count => _first[_sequences.Count];

    /// <summary>Number of chunks of a sequence.</summary>
    public static int CountOf(int tokens, int length) => Math.Max(1, (tokens + length - 1) / length);

    /// <summary>Index of a sequence's first chunk.</summary>
    public int FirstOf(int sequence) => _first[sequence];

    /// <summary>The sequence that a chunk belongs to.</summary>
    public int SequenceOf(int chunk)
    {
        int index = new ReadOnlySpan<int>(_first, _sequences.Count + 1).BinarySearch(chunk);
        return index >= 0 ? index : ~index - 1;
    }

    /// <summary>The chunks of a sequence from <paramref name="from"/> to <paramref name="to"/>, exclusive.</summary>
    public SsdSpan SpanOf(int sequence, int from, int to)
    {
        int first = _first[sequence];
        return new(
            Math.Max(from, first) - first,
            Math.Min(to, _first[sequence + 1]) - first,
            Length,
            _sequences.Length(sequence));
    }

    /// <summary>Row of the state before a sequence's second chunk, among the checkpoints.</summary>
    public int FirstCheckpointOf(int sequence) => _first[sequence] - sequence;
}
