namespace Mamba.Models.Generation;

/// <summary>A small random source whose whole state is one number.</summary>
/// <remarks>
/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. Ours, because the sequences of
/// <see cref="Random"/> may change between versions of .NET, and its state cannot be saved.
/// </remarks>
internal struct SplitMix64(ulong state)
{
    /// <summary>The state; the next numbers follow from it alone.</summary>
    public ulong State { get; private set; } = state;

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
}
