namespace Mamba.Operations;

/// <summary>
/// The boundaries of the packed sequences of a batch. Tokens are numbered across all rows, row after row. A segment
/// does not see its neighbours and has its own state.
/// </summary>
/// <example>
/// Three texts of 5, 2 and 9 tokens in one row of 16; x has shape [1, 16, channels]:
/// <code>
/// Segments segments = Segments.FromLengths([5, 2, 9]);
/// DeviceArray y = mixer.Forward(x, segments: segments);                 // as of each text by itself
/// </code>
/// </example>
public sealed class Segments
{
    private readonly int[] _offsets;

    private Segments(int[] offsets) => _offsets = offsets;

    /// <summary>Number of segments.</summary>
    public int Count => _offsets.Length - 1;

    /// <summary>Number of tokens of all segments.</summary>
    public int Tokens => _offsets[^1];

    /// <summary>The start of each segment and the end of the last: the cumulative lengths, from 0.</summary>
    public ReadOnlySpan<int> Offsets => _offsets;

    /// <summary>Creates segments from their lengths.</summary>
    /// <param name="lengths">Length of each segment, in order; 0 is allowed.</param>
    /// <returns>The segments.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A length is negative.</exception>
    /// <exception cref="OverflowException">The lengths add up to more than 2^31 - 1.</exception>
    public static Segments FromLengths(ReadOnlySpan<int> lengths)
    {
        int[] offsets = new int[lengths.Length + 1];
        for (int i = 0; i < lengths.Length; i++)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(lengths[i], nameof(lengths));
            offsets[i + 1] = checked(offsets[i] + lengths[i]);
        }

        return new(offsets);
    }

    /// <summary>Creates segments from cumulative lengths, the <c>cu_seqlens</c> of variable-length kernels.</summary>
    /// <param name="offsets">Cumulative lengths: start with 0, never decrease, end with the number of tokens.</param>
    /// <returns>The segments.</returns>
    /// <exception cref="ArgumentException">The numbers do not start with 0, or decrease.</exception>
    public static Segments FromCumulative(ReadOnlySpan<int> offsets)
    {
        if (offsets.Length == 0 || offsets[0] != 0)
        {
            throw new ArgumentException("Cumulative lengths start with 0.", nameof(offsets));
        }

        for (int i = 1; i < offsets.Length; i++)
        {
            if (offsets[i] < offsets[i - 1])
            {
                throw new ArgumentException(
                    $"Cumulative lengths never fall; found {offsets[i]} after {offsets[i - 1]}.", nameof(offsets));
            }
        }

        return new(offsets.ToArray());
    }
}
