using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>The sequences of a batch, as a kernel knows them: rows of equal length, or packed segments.</summary>
/// <param name="offsets">Where each segment begins, and the end of the last; anything where lengths are equal.</param>
/// <param name="count">Number of sequences.</param>
/// <param name="length">Length of every sequence; -1 if <paramref name="offsets"/> tells.</param>
/// <param name="slots">The row of each sequence's state; anything if they stand in the sequences' order.</param>
/// <param name="hasSlots">1 if <paramref name="slots"/> tells, else 0.</param>
internal readonly struct GpuSequences(
    ArrayView<int> offsets, int count, int length, ArrayView<int> slots, int hasSlots)
{
    private readonly ArrayView<int> _offsets = offsets;
    private readonly int _length = length;
    private readonly ArrayView<int> _slots = slots;
    private readonly int _hasSlots = hasSlots;

    /// <summary>Number of sequences.</summary>
    public int Count { get; } = count;

    /// <summary>Whether all sequences are of one length.</summary>
    public bool HasEqualLengths => _length >= 0;

    /// <summary>Index of a sequence's first token, counted through the whole batch.</summary>
    public int Start(int sequence) => _length >= 0 ? sequence * _length : _offsets[sequence];

    public int Length(int sequence) =>
        _length >= 0 ? _length : _offsets[sequence + 1] - _offsets[sequence];

    /// <summary>The row of a sequence's state.</summary>
    public int Slot(int sequence) => _hasSlots != 0 ? _slots[sequence] : sequence;

    /// <summary>The sequence that a token belongs to.</summary>
    public int Of(int token)
    {
        if (_length >= 0)
        {
            return token / _length;
        }

        // The last that begins at or before the token: it is not empty, for an empty one begins where the next does.
        int low = 0, high = Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (_offsets[middle] <= token)
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
