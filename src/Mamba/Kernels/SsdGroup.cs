using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>The matrices that the heads of a group share in one chunk: B, C and their products.</summary>
internal readonly unsafe struct SsdGroup
{
    private SsdGroup(ref Arena arena, int chunk, int states, bool forBackward)
    {
        C = arena.Matrix(chunk, states);
        BTransposed = arena.Matrix(states, chunk);
        Scores = arena.Matrix(chunk, chunk);
        if (forBackward)
        {
            B = arena.Matrix(chunk, states);
            CTransposed = arena.Matrix(states, chunk);
            ScoresTransposed = arena.Matrix(chunk, chunk);
        }
    }

    /// <summary>C, [tokens, states].</summary>
    public Rows C { get; }

    /// <summary>B, [states, tokens].</summary>
    public Rows BTransposed { get; }

    /// <summary>C_t·B_s, [t, s], for s ≤ t.</summary>
    public Rows Scores { get; }

    /// <summary>B, [tokens, states]. This and the following exist for the backward pass only.</summary>
    public Rows B { get; }

    /// <summary>C, [states, tokens].</summary>
    public Rows CTransposed { get; }

    /// <summary>C_t·B_s, [s, t], for s ≤ t.</summary>
    public Rows ScoresTransposed { get; }

    /// <summary>Lays out a group in memory of <see cref="Size"/> floats.</summary>
    public static SsdGroup In(float* memory, int chunk, int states, bool forBackward)
    {
        Arena arena = new(memory);
        return new(ref arena, chunk, states, forBackward);
    }

    /// <summary>Number of floats of a group.</summary>
    public static nint Size(int chunk, int states, bool forBackward)
    {
        Arena arena = default;
        _ = new SsdGroup(ref arena, chunk, states, forBackward);
        return arena.Used;
    }

    /// <summary>Computes the matrices from the rows of B and C, which begin with the chunk.</summary>
    public void Fill(Rows b, Rows c, int tokens, int states)
    {
        int rows = SmallProduct.WholeRows(tokens);
        Padded.Copy(c, tokens, states, C);
        Padded.CopyTransposed(b, tokens, states, BTransposed);
        SmallProduct.RunLower(C, BTransposed, Scores, rows, states);
        if (!B.IsNull)
        {
            Padded.Copy(b, tokens, states, B);
            Padded.CopyTransposed(c, tokens, states, CTransposed);
            SmallProduct.RunUpper(B, CTransposed, ScoresTransposed, rows, SmallProduct.WholeColumns(tokens), states);
        }
    }
}
