using Mamba.Models.Generation;

namespace Mamba.Tasks;

/// <summary>Random data that are the same in every run, on every machine and in every version of .NET.</summary>
internal static class Sampling
{
    /// <summary>The random source of one batch, sequence or epoch: a function of the three numbers alone.</summary>
    public static SplitMix64 Stream(ulong seed, Split split, long number)
    {
        ulong state = new SplitMix64(seed).Next() + (ulong)split;
        state = new SplitMix64(state).Next() + (ulong)number;
        return new(new SplitMix64(state).Next());
    }

    /// <summary>Some of the numbers 0 to <paramref name="count"/> - 1, ascending; every choice is as likely.</summary>
    /// <remarks>Knuth, The Art of Computer Programming, volume 2, 3.4.2, Algorithm S.</remarks>
    public static int[] Sorted(ref this SplitMix64 random, int count, int chosen)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(chosen, count);
        int[] numbers = new int[chosen];
        int found = 0;
        for (int i = 0; found < chosen; i++)
        {
            if (random.NextBelow(count - i) < chosen - found)
            {
                numbers[found++] = i;
            }
        }

        return numbers;
    }

    /// <summary>
    /// Some of the indices of the weights, drawn one after the other without putting back, each as likely as its weight
    /// says.
    /// </summary>
    /// <remarks>
    /// As a race: number i arrives after an exponential time of rate wᵢ, and the first to arrive are taken (Efraimidis
    /// and Spirakis, "Weighted random sampling with a reservoir", 2006).
    /// </remarks>
    public static int[] Weighted(ref this SplitMix64 random, ReadOnlySpan<double> weights, int chosen)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(chosen, weights.Length);
        double[] times = new double[weights.Length];
        int[] numbers = new int[weights.Length];
        for (int i = 0; i < times.Length; i++)
        {
            (times[i], numbers[i]) = (-Math.Log(1 - random.NextUnit()) / weights[i], i);
        }

        Array.Sort(times, numbers);
        return numbers[..chosen];
    }
}
