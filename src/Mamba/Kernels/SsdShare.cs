using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>The contribution of some heads to the gradients of their group's B and C in one chunk.</summary>
internal readonly unsafe struct SsdShare
{
    private SsdShare(ref Arena arena, int chunk, int states)
    {
        OfB = arena.Matrix(states, chunk);
        OfC = arena.Matrix(states, chunk);
    }

    /// <summary>The share of B's gradient, [states, tokens].</summary>
    public Rows OfB { get; }

    /// <summary>The share of C's gradient, [states, tokens].</summary>
    public Rows OfC { get; }

    /// <summary>Lays out a share in memory of <see cref="Size"/> floats.</summary>
    public static SsdShare In(float* memory, int chunk, int states)
    {
        Arena arena = new(memory);
        return new(ref arena, chunk, states);
    }

    /// <summary>Number of floats of a share.</summary>
    public static nint Size(int chunk, int states)
    {
        Arena arena = default;
        _ = new SsdShare(ref arena, chunk, states);
        return arena.Used;
    }

    /// <summary>Adds the shares of a group, one per row, in order, to the gradients of B and C.</summary>
    /// <param name="shares">The shares; the first is overwritten.</param>
    /// <param name="count">Number of shares.</param>
    /// <param name="chunk">Tokens of a whole chunk.</param>
    /// <param name="tokens">Tokens of this one.</param>
    /// <param name="states">Number of states.</param>
    /// <param name="gb">The gradient of B, [tokens, states], read and written; null to skip it.</param>
    /// <param name="gc">The gradient of C, [tokens, states], read and written; null to skip it.</param>
    public static void Add(Rows shares, int count, int chunk, int tokens, int states, Rows gb, Rows gc)
    {
        SsdShare sum = In(shares[0], chunk, states);
        for (int i = 1; i < count; i++)
        {
            SsdShare share = In(shares[i], chunk, states);
            for (int state = 0; state < states; state++)
            {
                Elementwise.AddScaled(share.OfB[state], 1f, sum.OfB[state], tokens);
                Elementwise.AddScaled(share.OfC[state], 1f, sum.OfC[state], tokens);
            }
        }

        if (!gb.IsNull)
        {
            Padded.AddTransposed(sum.OfB, states, tokens, gb);
        }

        if (!gc.IsNull)
        {
            Padded.AddTransposed(sum.OfC, states, tokens, gc);
        }
    }
}
