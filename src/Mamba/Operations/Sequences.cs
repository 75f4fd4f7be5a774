using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>The sequences of an operation with a time axis: the rows of a batch, or packed segments.</summary>
internal readonly struct Sequences
{
    private readonly int _length;

    /// <summary>The sequences of an array [batch, length, channels].</summary>
    /// <param name="shape">The shape of the array.</param>
    /// <param name="segments">Packed sequences; null if the rows of the batch are the sequences.</param>
    /// <param name="slots">The row of the state for each sequence; null if sequence i has row i.</param>
    /// <param name="states">The pool of states that slots refer to.</param>
    public Sequences(Shape shape, Segments? segments, StateSlots? slots = null, DeviceArray states = default)
        : this(shape, segments, slots, slots is null ? 0 : states.Shape[0])
    {
    }

    /// <summary>The sequences of an array [batch, length, channels].</summary>
    /// <param name="shape">The shape of the array.</param>
    /// <param name="segments">Packed sequences; null if the rows of the batch are the sequences.</param>
    /// <param name="slots">The row of the state for each sequence; null if sequence i has row i.</param>
    /// <param name="pool">Number of states in the pool that slots refer to.</param>
    /// <exception cref="ArgumentException">
    /// The shape does not have three axes, the number of tokens of the segments differs, a segment crosses the end of a
    /// row, or a sequence has no state.
    /// </exception>
    public Sequences(Shape shape, Segments? segments, StateSlots? slots, int pool)
    {
        if (shape.Rank != 3)
        {
            throw new ArgumentException($"Expected [batch, length, channels]; found {shape}.");
        }

        Segments = segments;
        _length = shape[1];
        Count = segments?.Count ?? shape[0];
        Tokens = checked(shape[0] * shape[1]);
        Slots = slots;
        StateCount = slots is null ? Count : pool;
        slots?.RequireFit(Count, StateCount);
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

    /// <summary>Packed sequences; null if the rows of the batch are the sequences.</summary>
    public Segments? Segments { get; }

    /// <summary>Number of sequences; each has a state of its own.</summary>
    public int Count { get; }

    /// <summary>The row of the state for each sequence; null if sequence i has row i.</summary>
    public StateSlots? Slots { get; }

    /// <summary>Number of states in the pool; the number of sequences if there are no slots.</summary>
    public int StateCount { get; }

    /// <summary>Length of every sequence; -1 if there are segments.</summary>
    public int CommonLength => Segments is null ? _length : -1;

    /// <summary>The row of a sequence's state.</summary>
    public int Slot(int sequence) => Slots is null ? sequence : Slots.Rows[sequence];

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

    /// <summary>Index of a sequence's first token, in the whole batch.</summary>
    public int Start(int sequence) => Segments is null ? sequence * _length : Segments.Offsets[sequence];

    public int Length(int sequence) =>
        Segments is null ? _length : Segments.Offsets[sequence + 1] - Segments.Offsets[sequence];
}
