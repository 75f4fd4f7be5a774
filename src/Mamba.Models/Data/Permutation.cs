using System.Numerics;
using Mamba.Models.Generation;

namespace Mamba.Models.Data;

/// <summary>
/// A pseudorandom permutation of the numbers below a count, computed one by one without memory.
/// </summary>
/// <remarks>
/// A Feistel network over the next power of 4, applied again while the result is out of range: Black and Rogaway,
/// "Ciphers with arbitrary finite domains", CT-RSA 2002.
/// </remarks>
internal readonly struct Permutation(long count, ulong key)
{
    private const int Rounds = 6;

    private readonly int _half = (BitOperations.Log2((ulong)Math.Max(count - 1, 1)) / 2) + 1;

    /// <summary>The number at a place, from 0 to below the count.</summary>
    public long this[long place]
    {
        get
        {
            do
            {
                place = Encrypt(place);
            }
            while (place >= count);

            return place;
        }
    }

    private long Encrypt(long place)
    {
        ulong mask = (1ul << _half) - 1;
        (ulong left, ulong right) = ((ulong)place >> _half, (ulong)place & mask);
        for (ulong round = 0; round < Rounds; round++)
        {
            (left, right) = (right, left ^ (SplitMix64.Mix(key + round, right) & mask));
        }

        return (long)((left << _half) | right);
    }
}
