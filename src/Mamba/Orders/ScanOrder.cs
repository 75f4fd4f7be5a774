namespace Mamba.Orders;

/// <summary>
/// The order in which a sequence operation visits the tokens of a grid: step t visits token <c>Positions[t]</c>.
/// </summary>
/// <remarks>
/// Immutable, in host memory. A device caches a copy while the order exists, so create an order once, with the layer
/// that uses it. Grid tokens are numbered in row-major order. -1 is padding, which reads zeros; class tokens and
/// registers are added there. An order may omit tokens, or visit a token several times.
/// </remarks>
/// <example>
/// A scan down the columns of an image, and one in reverse:
/// <code>
/// ScanOrder columns = ScanOrder.Columns(height, width);
/// (DeviceArray down, _) = Functions.SelectiveScan(inputs, order: columns);
/// (DeviceArray back, _) = Functions.SelectiveScan(inputs, order: columns.Reversed());
/// </code>
/// </example>
public sealed partial class ScanOrder
{
    private static volatile ScanOrder? _lastReversal;

    private readonly int[]? _positions;
    private readonly int[]? _inverse;
    private readonly int _length;
    private readonly int _gridLength;

    private ScanOrder(bool isPermutation, int samples) => (IsPermutation, Samples) = (isPermutation, samples);

    /// <summary>Makes an order from the positions of all samples, one sample after another.</summary>
    private ScanOrder(int[] positions, int gridLength, int samples)
    {
        (_positions, _gridLength, Samples) = (positions, gridLength, samples);
        _length = positions.Length / samples;
        int[]? inverse = new int[checked(gridLength * samples)];
        inverse.AsSpan().Fill(-1);
        int visited = 0;
        for (int i = 0; i < positions.Length; i++)
        {
            int position = positions[i], sample = i / _length;
            if (position < -1 || position >= gridLength)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(positions),
                    position,
                    $"Expected positions 0 to {gridLength - 1}, or -1 for padding; found {position} at step " +
                    $"{i % _length}.");
            }

            if (position < 0 || inverse is null)
            {
                continue;
            }

            ref int step = ref inverse[(sample * gridLength) + position];
            visited++;
            if (step < 0)
            {
                step = i % _length;
            }
            else
            {
                inverse = null;
            }
        }

        _inverse = inverse;
        IsPermutation = inverse is not null && visited == inverse.Length && _length == gridLength;
    }

    /// <summary>The stored order of the tokens, for sequences of any length, packed ones included.</summary>
    public static ScanOrder Forward { get; } = new(isPermutation: true, samples: 1);

    /// <summary>The reverse order, for sequences of any length. Each packed sequence is reversed by itself.</summary>
    public static ScanOrder Backward { get; } = new(isPermutation: true, samples: 1);

    /// <summary>Number of steps.</summary>
    /// <exception cref="InvalidOperationException">
    /// This is <see cref="Forward"/> or <see cref="Backward"/>, which have no length. The next two properties throw it
    /// too.
    /// </exception>
    public int Length => _positions is null ? throw NoLength() : _length;

    /// <summary>Number of tokens of the grid.</summary>
    public int GridLength => _positions is null ? throw NoLength() : _gridLength;

    /// <summary>
    /// The token visited at each step; -1 is padding. If samples have their own orders, their positions are
    /// concatenated, each relative to its own grid.
    /// </summary>
    public ReadOnlySpan<int> Positions => _positions ?? throw NoLength();

    /// <summary>
    /// The step at which each token is visited; -1 if none. Samples are concatenated as in <see cref="Positions"/>.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// A token is visited several times, or the order has no length.
    /// </exception>
    public ReadOnlySpan<int> Inverse => _inverse ?? throw (
        _positions is null
            ? NoLength()
            : new InvalidOperationException("This order has no inverse: it visits a token several times."));

    /// <summary>Number of batch rows with their own orders; 1 if all rows share one.</summary>
    public int Samples { get; }

    /// <summary>Whether each token is visited exactly once, without padding.</summary>
    public bool IsPermutation { get; }

    /// <summary>Whether no token is visited more than once.</summary>
    internal bool VisitsOnce => _positions is null || _inverse is not null;

    /// <summary>Whether the order has a length; <see cref="Forward"/> and <see cref="Backward"/> have none.</summary>
    internal bool HasLength => _positions is not null;

    /// <summary>Makes an order from arbitrary positions.</summary>
    /// <param name="positions">The token of each step, 0 to gridLength - 1; -1 is padding.</param>
    /// <param name="gridLength">Number of tokens of the grid.</param>
    /// <returns>The order.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A position is outside the grid.</exception>
    public static ScanOrder From(ReadOnlySpan<int> positions, int gridLength)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(gridLength);
        return new(positions.ToArray(), gridLength, samples: 1);
    }

    /// <summary>Visits tokens by ascending keys, such as coordinates of points. The sort is stable.</summary>
    /// <typeparam name="TKey">Type of the keys.</typeparam>
    /// <param name="keys">The key of each token.</param>
    /// <returns>The order.</returns>
    public static ScanOrder By<TKey>(ReadOnlySpan<TKey> keys)
        where TKey : IComparable<TKey>
    {
        (TKey Key, int Position)[] entries = new (TKey, int)[keys.Length];
        for (int i = 0; i < entries.Length; i++)
        {
            entries[i] = (keys[i], i);
        }

        Array.Sort(entries, static (a, b) =>
        {
            int byKey = Comparer<TKey>.Default.Compare(a.Key, b.Key);
            return byKey != 0 ? byKey : a.Position.CompareTo(b.Position);
        });
        return new(Array.ConvertAll(entries, entry => entry.Position), keys.Length, samples: 1);
    }

    /// <summary>Visits tokens in a random order that the seed determines.</summary>
    /// <param name="length">Number of tokens.</param>
    /// <param name="seed">The seed.</param>
    /// <returns>The order.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The length is negative.</exception>
    public static ScanOrder Random(int length, int seed)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        int[] positions = [.. Enumerable.Range(0, length)];
        Random random = new(seed);
        for (int i = length - 1; i > 0; i--)
        {
            int other = random.Next(i + 1);
            (positions[i], positions[other]) = (positions[other], positions[i]);
        }

        return new(positions, length, samples: 1);
    }

    /// <summary>The order for sequences of a given length.</summary>
    /// <param name="length">Number of tokens.</param>
    /// <returns>
    /// <see cref="Forward"/> and <see cref="Backward"/> get positions; any other order is returned unchanged.
    /// </returns>
    /// <exception cref="ArgumentException">This order has another length.</exception>
    public ScanOrder OfLength(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        if (HasLength)
        {
            return length == GridLength
                ? this
                : throw new ArgumentException(
                    $"This order is of a grid of {GridLength} tokens; asked for {length}.", nameof(length));
        }

        if (this == Forward)
        {
            return new([.. Enumerable.Range(0, length)], length, samples: 1);
        }

        // Training batches usually have one length, so they reuse the order that devices have already copied.
        ScanOrder? last = _lastReversal;
        if (last?.GridLength != length)
        {
            _lastReversal = last = new([.. Enumerable.Range(0, length).Reverse()], length, samples: 1);
        }

        return last;
    }

    /// <summary>Describes the order.</summary>
    /// <returns>For example "64 steps over 64 tokens".</returns>
    public override string ToString() => this == Forward ? "forward" : this == Backward ? "backward"
        : $"{Length} steps over {GridLength} tokens{(Samples > 1 ? $", {Samples} samples" : "")}";

    private InvalidOperationException NoLength() => new(
        $"ScanOrder.{(this == Forward ? nameof(Forward) : nameof(Backward))} has no length of its own; ask for one " +
        $"by {nameof(OfLength)}.");
}
