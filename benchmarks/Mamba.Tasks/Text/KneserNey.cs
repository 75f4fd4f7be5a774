namespace Mamba.Tasks.Text;

/// <summary>An n-gram model of bytes with modified Kneser-Ney smoothing, interpolated, over a uniform base.</summary>
/// <remarks>
/// Chen and Goodman, "An empirical study of smoothing techniques for language modeling", TR-10-98, Harvard, 1998,
/// section 3: the highest order counts occurrences, the lower ones how many different bytes stand before; three
/// discounts an order.
/// </remarks>
internal sealed class KneserNey
{
    private const int Alphabet = 256, MostBytes = sizeof(ulong);

    private readonly Order[] _orders;

    /// <summary>Counts a text.</summary>
    /// <param name="text">What is learned.</param>
    /// <param name="order">Bytes of the longest n-gram, the predicted one included: 1 to 8.</param>
    public KneserNey(ReadOnlySpan<byte> text, int order)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(order);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(order, MostBytes);
        _orders = new Order[order];
        Dictionary<ulong, int> counts = Occurrences(text, order);
        for (int k = order; k >= 1; k--)
        {
            _orders[k - 1] = new(counts);
            counts = Continuations(counts.Keys, k - 1);
        }
    }

    /// <summary>The probability of a byte behind others.</summary>
    /// <param name="context">What stands before; only the last bytes matter.</param>
    /// <param name="next">The byte.</param>
    /// <returns>The probability; over all 256 bytes they sum to 1.</returns>
    public double Probability(ReadOnlySpan<byte> context, byte next)
    {
        double probability = 1.0 / Alphabet;
        ulong before = 0;
        for (int k = 0; k < _orders.Length && k <= context.Length; k++)
        {
            // The context of one byte more: that byte is the most significant one.
            before = k == 0 ? 0 : before | ((ulong)context[^k] << (8 * (k - 1)));
            probability = _orders[k].Probability(before, next, probability);
        }

        return probability;
    }

    /// <summary>The mean of <c>-log₂ p</c> over the bytes of a text.</summary>
    public double BitsPerByte(ReadOnlySpan<byte> text)
    {
        double bits = 0;
        for (int i = 0; i < text.Length; i++)
        {
            bits -= Math.Log2(Probability(text[Math.Max(0, i - _orders.Length + 1)..i], text[i]));
        }

        return bits / text.Length;
    }

    private static Dictionary<ulong, int> Occurrences(ReadOnlySpan<byte> text, int length)
    {
        Dictionary<ulong, int> counts = [];
        ulong gram = 0;
        for (int i = 0; i < text.Length; i++)
        {
            gram = Last((gram << 8) | text[i], length);
            if (i >= length - 1)
            {
                counts[gram] = counts.GetValueOrDefault(gram) + 1;
            }
        }

        return counts;
    }

    /// <summary>
    /// Behind how many different bytes each n-gram stands, where all n-grams of one byte more are given.
    /// </summary>
    private static Dictionary<ulong, int> Continuations(IEnumerable<ulong> longer, int length)
    {
        Dictionary<ulong, int> counts = [];
        foreach (ulong gram in longer)
        {
            ulong shorter = Last(gram, length);
            counts[shorter] = counts.GetValueOrDefault(shorter) + 1;
        }

        return counts;
    }

    private static ulong Last(ulong gram, int bytes) => bytes == MostBytes ? gram : gram & ((1ul << (8 * bytes)) - 1);

    /// <summary>The n-grams of one length.</summary>
    private sealed class Order
    {
        private readonly Dictionary<ulong, int> _counts;
        private readonly Dictionary<ulong, Followers> _contexts = [];
        private readonly double[] _discounts;

        public Order(Dictionary<ulong, int> counts)
        {
            _counts = counts;
            _discounts = Discounts(counts.Values);
            foreach ((ulong gram, int count) in counts)
            {
                ulong context = gram >> 8;
                _contexts[context] = _contexts.GetValueOrDefault(context).With(count);
            }
        }

        public double Probability(ulong context, byte next, double shorter)
        {
            if (!_contexts.TryGetValue(context, out Followers followers))
            {
                return shorter;
            }

            int count = _counts.GetValueOrDefault((context << 8) | next);
            double kept = (_discounts[1] * followers.Once) + (_discounts[2] * followers.Twice)
                + (_discounts[3] * followers.More);
            return (count - _discounts[Math.Min(count, 3)] + (kept * shorter)) / followers.Total;
        }

        /// <summary>What is taken from counts of 1, 2, and 3 and more (equation 26).</summary>
        private static double[] Discounts(IEnumerable<int> counts)
        {
            double[] times = new double[5]; // n-grams that were counted 1, 2, 3, 4 times
            foreach (int count in counts.Where(count => count <= 4))
            {
                times[count]++;
            }

            double y = times[1] / (times[1] + (2 * times[2]));
            double Discount(int count) => times[count] > 0 && times[1] > 0
                ? Math.Clamp(count - ((count + 1) * y * times[count + 1] / times[count]), 0, count)
                : 0.5;
            return [0, Discount(1), Discount(2), Discount(3)];
        }
    }

    /// <summary>
    /// How often a context is followed by anything, and by how many bytes once, twice, and more often.
    /// </summary>
    private readonly record struct Followers(long Total, int Once, int Twice, int More)
    {
        public Followers With(int count) => new(
            Total + count, Once + (count == 1 ? 1 : 0), Twice + (count == 2 ? 1 : 0), More + (count > 2 ? 1 : 0));
    }
}
