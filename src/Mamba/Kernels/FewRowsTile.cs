using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// A tile of three rows of W and eight rows of x: 24 accumulators in 32 registers. Each weight is widened once for all
/// eight rows, while the next rows of W are prefetched.
/// </summary>
/// <remarks>
/// A sum has two accumulators, as in <see cref="MatMulFewRows{TFormat}"/>. They take two passes, because both together
/// would need 48 registers.
/// </remarks>
internal readonly unsafe struct FewRowsTile<TFormat>(
    byte* w0, byte* w1, byte* w2, float* scales, nint scalesPitch, int depth)
    where TFormat : struct, IWeightFormat
{
    /// <summary>Rows of x.</summary>
    public const int Height = 8;

    /// <summary>Rows of W.</summary>
    public const int Columns = 3;

    /// <summary>Number of k that fill whole registers.</summary>
    private nint End => depth / Lanes512.Count * Lanes512.Count;

    /// <summary>Computes the sums over the k that fill whole registers.</summary>
    /// <param name="low">The first of four rows of x.</param>
    /// <param name="high">The first of the other four.</param>
    /// <param name="pitch">Floats from a row of x to the next.</param>
    /// <param name="sums">Receives the sums, [<see cref="Columns"/>, <see cref="Height"/>].</param>
    /// <returns>The first k that remains.</returns>
    [SkipLocalsInit]
    public nint Multiply(float* low, float* high, nint pitch, float* sums)
    {
        float* even = stackalloc float[Height * Columns * Lanes512.Count];
        byte* next = w0 + (Columns * TFormat.RowBytes(depth));
        AddUp(low, high, pitch, 0, next, even, null);
        new Span<float>(sums, Columns * Height).Clear();
        AddUp(low, high, pitch, Lanes512.Count, next + (Columns * TFormat.RowBytes(depth) / 2), even, sums);
        return End;
    }

    /// <summary>
    /// Computes one of the two accumulators of every sum: every second register from <paramref name="k"/> on. The first
    /// pass stores it in <paramref name="even"/>; the second adds both to <paramref name="sums"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private void AddUp(float* low, float* high, nint pitch, nint k, byte* fetched, float* even, float* sums)
    {
        byte* row0 = w0, row1 = w1, row2 = w2;
        float* scales0 = scales, scales1 = scales0 + scalesPitch, scales2 = scales1 + scalesPitch;
        nint end = End, step = Columns * TFormat.RowBytes(32) * Lanes512.Count / 32;
        Four<Lanes512> low0 = Four<Lanes512>.Zero, low1 = low0, low2 = low0, high0 = low0, high1 = low0, high2 = low0;
        for (; k < end; k += 2 * Lanes512.Count)
        {
            for (nint i = 0; i < step; i += 64)
            {
                Fetch(fetched + i);
            }

            fetched += step;
            Lanes512 a = TFormat.Load<Lanes512>(row0, k, scales0);
            Lanes512 b = TFormat.Load<Lanes512>(row1, k, scales1);
            Lanes512 c = TFormat.Load<Lanes512>(row2, k, scales2);
            Four<Lanes512> x = Four<Lanes512>.Load(low + k, pitch);
            low0 = Four<Lanes512>.MultiplyAdd(a, x, low0);
            low1 = Four<Lanes512>.MultiplyAdd(b, x, low1);
            low2 = Four<Lanes512>.MultiplyAdd(c, x, low2);
            x = Four<Lanes512>.Load(high + k, pitch);
            high0 = Four<Lanes512>.MultiplyAdd(a, x, high0);
            high1 = Four<Lanes512>.MultiplyAdd(b, x, high1);
            high2 = Four<Lanes512>.MultiplyAdd(c, x, high2);
        }

        int four = 4 * Lanes512.Count;
        if (sums == null)
        {
            low0.Store(even);
            high0.Store(even + four);
            low1.Store(even + (2 * four));
            high1.Store(even + (3 * four));
            low2.Store(even + (4 * four));
            high2.Store(even + (5 * four));
            return;
        }

        AddSums(even, low0, sums);
        AddSums(even + four, high0, sums + 4);
        AddSums(even + (2 * four), low1, sums + 8);
        AddSums(even + (3 * four), high1, sums + 12);
        AddSums(even + (4 * four), low2, sums + 16);
        AddSums(even + (5 * four), high2, sums + 20);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddSums(float* even, Four<Lanes512> odd, float* sums) =>
        Four<Lanes512>.AddSums(Four<Lanes512>.Load(even, Lanes512.Count), odd, sums);

    /// <summary>
    /// Prefetches weights. Formats without scales go to L2, because the current weights and x fill L1.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fetch(byte* address)
    {
        if (Sse.IsSupported && TFormat.Block == 0)
        {
            Sse.Prefetch1(address);
        }
        else if (Sse.IsSupported)
        {
            Sse.Prefetch0(address);
        }
    }
}
