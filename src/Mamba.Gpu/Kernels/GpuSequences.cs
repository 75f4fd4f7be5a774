using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>A kernel's view of the sequences of a batch: rows of equal length, or packed segments.</summary>
/// <param name="offsets">Start of each segment, and the end of the last; ignored for equal lengths.</param>
/// <param name="count">Number of sequences.</param>
/// <param name="length">Length of every sequence; -1 for packed segments.</param>
/// <param name="slots">The state row of each sequence; ignored if <paramref name="hasSlots"/> is 0.</param>
/// <param name="hasSlots">1 to use <paramref name="slots"/>, 0 if sequence i has state row i.</param>
internal readonly struct GpuSequences(
    ArrayView<int> offsets, int count, int length, ArrayView<int> slots, int hasSlots)
{
    private readonly int _length = length;
    private readonly int _hasSlots = hasSlots;

    /// <summary>Start of each packed segment, and the end of the last.</summary>
    public ArrayView<int> Offsets { get; } = offsets;

    /// <summary>The state row of each sequence, if there are slots.</summary>
    public ArrayView<int> Slots { get; } = slots;

    /// <summary>Number of sequences.</summary>
    public int Count { get; } = count;

    /// <summary>Whether all sequences have the same length.</summary>
    public bool HasEqualLengths => _length >= 0;

    /// <summary>Index of a sequence's first token in the whole batch.</summary>
    public int Start(int sequence) => _length >= 0 ? sequence * _length : Offsets[sequence];

    public int Length(int sequence) =>
        _length >= 0 ? _length : Offsets[sequence + 1] - Offsets[sequence];

    /// <summary>The row of a sequence's state.</summary>
    public int Slot(int sequence) => _hasSlots != 0 ? Slots[sequence] : sequence;

    /// <summary>The sequence of a token.</summary>
    public int Of(int token)
    {
        if (_length >= 0)
        {
            return token / _length;
        }

        // The last sequence that starts at or before the token. It is not empty: an empty one starts with the next.
        int low = 0, high = Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (Offsets[middle] <= token)
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
}
