using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>The sequences of an operation with a time axis: the rows of a batch, or packed segments.</summary>
internal readonly struct Sequences
{
    private readonly int _length;

    /// <summary>The sequences of an array [batch, length, channels].</summary>
    /// <exception cref="ArgumentException">
    /// The shape has no batch and length, the segments hold another number of tokens, or one crosses a row's end.
    /// </exception>
    public Sequences(Shape shape, Segments? segments)
    {
        if (shape.Rank != 3)
        {
            throw new ArgumentException($"Expected [batch, length, channels]; found {shape}.");
        }

        Segments = segments;
        _length = shape[1];
        Count = segments?.Count ?? shape[0];
        Tokens = checked(shape[0] * shape[1]);
        if (segments is null)
        {
            return;
        }

        if (segments.Tokens != Tokens)
        {
            throw new ArgumentException($"The segments hold {segments.Tokens} tokens; the batch holds {Tokens}.");
        }

        for (int row = 1; row < shape[0]; row++)
        {
            if (segments.Offsets.BinarySearch(row * _length) < 0)
            {
                throw new ArgumentException($"A segment crosses the end of row {row - 1} of the batch.");
            }
        }
    }

    /// <summary>Packed sequences; null where the rows of the batch are the sequences.</summary>
    public Segments? Segments { get; }

    /// <summary>Number of sequences; each has a state of its own.</summary>
    public int Count { get; }

    /// <summary>Number of tokens of all sequences.</summary>
    public int Tokens { get; }

    /// <summary>Length of the longest sequence.</summary>
    public int LongestLength
    {
        get
        {
            int longest = 0;
            for (int i = 0; i < Count; i++)
            {
                longest = Math.Max(longest, Length(i));
            }

            return longest;
        }
    }

    /// <summary>Index of a sequence's first token, counted through the whole batch.</summary>
    public int Start(int sequence) => Segments is null ? sequence * _length : Segments.Offsets[sequence];

    public int Length(int sequence) =>
        Segments is null ? _length : Segments.Offsets[sequence + 1] - Segments.Offsets[sequence];
}
