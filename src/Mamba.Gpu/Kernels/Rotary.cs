using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// <c>(a, b) ↦ (a·cos φ - b·sin φ, a·sin φ + b·cos φ)</c> for the pairs of every head. φ is the token's position times
/// the pair's frequency. Other entries are copied.
/// </summary>
/// <param name="sequences">The sequences of the tokens.</param>
/// <param name="tokens">Number of tokens.</param>
/// <param name="turns">Turns of each pair from one position to the next, as 64-bit fractions.</param>
/// <param name="offsets">Offset of each sequence's positions; not read if they are all equal.</param>
/// <param name="commonOffset">Offset of the positions of every sequence; -1 if they differ.</param>
/// <param name="offset">Another offset, of all positions.</param>
/// <param name="heads">Heads of a token.</param>
/// <param name="dim">Width of a head.</param>
/// <param name="pairs">Pairs of a head.</param>
/// <param name="interleaved">1 if neighbours form a pair, else 0.</param>
/// <param name="sign">-1 to rotate backwards, else 1.</param>
/// <param name="x">The input.</param>
/// <param name="y">The result; may be x.</param>
internal readonly struct RotaryKernel(
    GpuSequences sequences,
    long tokens,
    ArrayView<ulong> turns,
    ArrayView<int> offsets,
    int commonOffset,
    long offset,
    int heads,
    int dim,
    int pairs,
    int interleaved,
    float sign,
    GpuRows x,
    GpuRows y)
    : IKernel
{
    public void Run()
    {
        // A thread computes a pair, or copies an entry.
        int perHead = dim - pairs, perToken = perHead * heads;
        long item = ((long)Grid.IdxX * Group.DimX) + Group.IdxX, token = item / perToken;
        if (token >= tokens)
        {
            return;
        }

        int inToken = (int)(item - (token * perToken)), head = inToken / perHead, i = inToken - (head * perHead);
        long from = (long)head * dim;
        if (i >= pairs)
        {
            long column = from + pairs + i;
            y.Store(token, column, x.Load(token, column));
            return;
        }

        long first = from + (interleaved != 0 ? 2 * i : i), second = first + (interleaved != 0 ? 1 : pairs);
        int sequence = sequences.Of((int)token);
        long position = offset + (commonOffset >= 0 ? commonOffset : offsets[sequence])
            + token - sequences.Start(sequence);
        Pair turned = Angle.CosSin((ulong)position * turns[i]);
        float a = x.Load(token, first), b = x.Load(token, second), sin = sign * turned.B;
        y.Store(token, first, (a * turned.A) - (b * sin));
        y.Store(token, second, (a * sin) + (b * turned.A));
    }
}

/// <summary>Cosine and sine of angles in fractions of a turn.</summary>
/// <remarks>
/// Position times frequency is inexact as a float: at position 100 000 an angle would be off by 0.004. As a fraction
/// of a turn, in integers that wrap, it is exact without double precision.
/// </remarks>
internal static class Angle
{
    /// <summary>Turns without whole turns, as a 64-bit fraction.</summary>
    public static ulong Fraction(double turns)
    {
        double fraction = turns - Math.Floor(turns);
        return (ulong)(fraction * 4294967296.0 * 2147483648.0) << 1; // 2^63 first, because 2^64 overflows a ulong
    }

    /// <summary>Cosine and sine of a fraction of a turn.</summary>
    public static Pair CosSin(ulong fraction)
    {
        // The nearest quarter turn, and the rest: at most an eighth of a turn.
        uint quarter = (uint)((fraction + (1UL << 61)) >> 62);
        long rest = (long)(fraction - ((ulong)quarter << 62));
        float angle = (int)(rest >> 32) * 1.46291808e-9f; // 2π/2^32
        float square = angle * angle;

        // On [-π/4, π/4], to 4e-8 (Cephes, sinf and cosf).
        float sin = (-1.9515295891e-4f * square) + 8.3321608736e-3f;
        sin = (((sin * square) - 1.6666654611e-1f) * square * angle) + angle;
        float cos = (2.443315711809948e-5f * square) - 1.388731625493765e-3f;
        cos = (((cos * square) + 4.166664568298827e-2f) * square * square) - (0.5f * square) + 1f;
        float x = (quarter & 1u) == 0 ? cos : sin, y = (quarter & 1u) == 0 ? sin : cos;
        return new(
            (quarter & 3u) == 1u || (quarter & 3u) == 2u ? -x : x, (quarter & 3u) >= 2u ? -y : y);
    }
}
