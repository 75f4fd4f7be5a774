namespace Mamba.Models.Generation;

/// <summary>A small random source whose state is one number.</summary>
/// <remarks>
/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. The sequences of
/// <see cref="Random"/> may change between versions of .NET, and its state cannot be saved.
/// </remarks>
internal struct SplitMix64(ulong state)
{
    /// <summary>The state, which determines all later numbers.</summary>
    public ulong State { get; private set; } = state;

    /// <summary>
    /// A state that depends on all bits of a seed and a position.
    /// </summary>
    public static ulong Mix(ulong seed, ulong place) => new SplitMix64(new SplitMix64(seed).Next() + place).Next();

    /// <summary>The next 64 random bits.</summary>
    public ulong Next()
    {
        State += 0x9E3779B97F4A7C15;
        ulong z = State;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>A number in [0, 1), a multiple of 2^-53.</summary>
    public double NextUnit() => (Next() >> 11) * (1.0 / (1ul << 53));

    /// <summary>
    /// A number in [0, limit), uniform up to limit/2^64.
    /// </summary>
    public int NextBelow(int limit) => (int)Math.BigMul(Next(), (ulong)limit, out _);

    /// <summary>A random permutation of the numbers below a count.</summary>
    public int[] Permutation(int count)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        Shuffle(order);
        return order;
    }

    /// <summary>Shuffles numbers (Fisher and Yates).</summary>
    public void Shuffle(Span<int> numbers)
    {
        for (int i = numbers.Length - 1; i > 0; i--)
        {
            int j = NextBelow(i + 1);
            (numbers[i], numbers[j]) = (numbers[j], numbers[i]);
        }
    }
}
