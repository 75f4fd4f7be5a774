using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// The chunked form of an SSD for heads of one group: products of small matrices compute a chunk's output and state.
/// </summary>
/// <remarks>
/// Dao and Gu, arXiv:2405.21060, section 6. With a_t the sum of Δ·A from the chunk's start up to t, U_t = Δ_t·x_t, and
/// h the state before the chunk:
/// <code>
/// y_t = exp(a_t)·C_t·h + Σ_{s≤t} exp(a_t - a_s)·(C_t·B_s)·U_s + D·x_t
/// h'  = exp(a_last)·h  + Σ_s exp(a_last - a_s)·B_s ⊗ U_s
/// </code>
/// Here h is [states, headDim], channels in lanes. If the diagonal has its own weight, it replaces Δ_t at s = t.
/// </remarks>
internal readonly unsafe struct SsdChunked
{
    private readonly Rows _states;
    private readonly Rows _u;
    private readonly Rows _decayed;
    private readonly SsdDecays _decays;

    public SsdChunked(ref Arena arena, int heads, int chunk, int states, int headDim)
    {
        _states = arena.Matrix(heads * SmallProduct.WholeColumns(states), headDim);
        _u = arena.Matrix(chunk, headDim);
        _decayed = arena.Matrix(chunk, chunk);
        Y = arena.Matrix(chunk, headDim);
        _decays = new(ref arena, chunk);
    }

    /// <summary>The output of the chunk before the gate, [tokens, headDim].</summary>
    public Rows Y { get; }

    /// <summary>Lays out the scratch matrices in memory of <see cref="Size"/> floats.</summary>
    public static SsdChunked In(float* memory, int heads, int chunk, int states, int headDim)
    {
        Arena arena = new(memory);
        return new(ref arena, heads, chunk, states, headDim);
    }

    /// <summary>Number of floats of the scratch matrices.</summary>
    public static nint Size(int heads, int chunk, int states, int headDim)
    {
        Arena arena = default;
        _ = new SsdChunked(ref arena, heads, chunk, states, headDim);
        return arena.Used;
    }

    /// <summary>Computes the output and the states of heads of one group over a span of chunks.</summary>
    /// <param name="first">The first head's inputs, from the sequence's first token on.</param>
    /// <param name="heads">Number of heads.</param>
    /// <param name="span">The chunks.</param>
    /// <param name="groups">The matrices of the heads' group, one row per chunk of the span.</param>
    /// <param name="before">The states before the span, [heads, headDim, states]; null for zeros.</param>
    /// <param name="y">Receives the output, from the sequence's first token on.</param>
    /// <param name="after">
    /// Receives the states after the span, [heads, headDim, states]; may be <paramref name="before"/>.
    /// </param>
    /// <param name="checkpoints">
    /// Receives the states before the sequence's second, third … chunk, one row [heads, states, headDim] each; null to
    /// keep none.
    /// </param>
    /// <remarks>
    /// The inner loop runs over heads, so that the group's matrices and the rows of x stay in cache.
    /// </remarks>
    public void Run<TLanes>(
        in SsdOperands first,
        int heads,
        SsdSpan span,
        Rows groups,
        float* before,
        Rows y,
        float* after,
        Rows checkpoints)
        where TLanes : struct, ILanes<TLanes>
    {
        int states = first.States, headDim = first.HeadDim;
        nint size = (nint)states * headDim;
        if (before != null)
        {
            for (int head = 0; head < heads; head++)
            {
                Padded.CopyTransposed(new(before + (head * size), states), headDim, states, StateOf(head, states));
            }
        }

        // A zero state is not multiplied: this saves half of the work for a sequence of one chunk.
        bool isZero = before == null;
        for (int chunk = span.First; chunk < span.End; chunk++)
        {
            SsdGroup group = SsdGroup.In(groups[chunk - span.First], span.ChunkLength, states, forBackward: false);
            for (int head = 0; head < heads; head++)
            {
                Rows state = StateOf(head, states);
                if (chunk > 0 && !checkpoints.IsNull)
                {
                    Save(state, states, headDim, checkpoints[chunk - 1] + (head * size));
                }

                int tokens = span.Tokens(chunk);
                SsdOperands inputs = first.At(span.Start(chunk), head);
                ComputeOutput<TLanes>(inputs, group, tokens, isZero ? default : state);
                Write(inputs, tokens, y.At(span.Start(chunk), head * headDim));
                Advance<TLanes>(group, tokens, states, headDim, state, isZero);
            }

            isZero = false;
        }

        for (int head = 0; head < heads; head++)
        {
            Transposition.Run(StateOf(head, states), states, headDim, new(after + (head * size), states));
        }
    }

    /// <summary>Computes <see cref="Y"/> of one head in one chunk.</summary>
    /// <param name="head">The head's inputs, from the chunk's first token on.</param>
    /// <param name="group">The matrices of its group.</param>
    /// <param name="tokens">Length of the chunk, at least 1.</param>
    /// <param name="state">The state before the chunk, [states, headDim], padded; null for zeros.</param>
    public void ComputeOutput<TLanes>(in SsdOperands head, in SsdGroup group, int tokens, Rows state)
        where TLanes : struct, ILanes<TLanes>
    {
        _decays.Fill<TLanes>(head, tokens);
        Enter<TLanes>(head, group, tokens);
        ApplyDecays<TLanes>(head, group, tokens);
        int rows = SmallProduct.WholeRows(tokens), columns = SmallProduct.WholeColumns(head.HeadDim);
        if (!state.IsNull)
        {
            SmallProduct.Run(
                group.C, state, Y, 1f, rows, columns, SmallProduct.Depth.All(head.States), _decays.FromStart);
        }

        SmallProduct.Run(_decayed, _u, Y, 1f, rows, columns, SmallProduct.Depth.UpToRow);
    }

    /// <summary>Computes U, and initialises Y with D·x and the diagonal, if it has its own weight.</summary>
    /// <remarks>
    /// Rows of x are far apart in memory. The loop does nothing else, so that their cache misses overlap.
    /// </remarks>
    private void Enter<TLanes>(in SsdOperands head, in SsdGroup group, int tokens)
        where TLanes : struct, ILanes<TLanes>
    {
        SsdDecays decays = _decays;
        Rows u = _u, y = Y;
        int headDim = head.HeadDim;
        for (int t = 0; t < tokens; t++)
        {
            float* x = head.X[t], ut = u[t], yt = y[t];
            float delta = decays.Delta[t];
            float diagonal = head.DiagonalScale.IsNull ? 0f : *head.DiagonalScale[t] * group.Scores[t][t];
            int i = 0;
            for (; i <= headDim - TLanes.Count; i += TLanes.Count)
            {
                Enter<TLanes>(head, i, delta, diagonal, x, ut, yt);
            }

            for (; i < headDim; i++)
            {
                Enter<Lane>(head, i, delta, diagonal, x, ut, yt);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Enter<TLanes>(
        in SsdOperands head, int i, float delta, float diagonal, float* x, float* u, float* y)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes value = TLanes.Load(x + i);
        TLanes own = TLanes.Broadcast(diagonal);
        TLanes skip = head.D == null ? own
            : head.WidthOfD == 1 ? TLanes.Broadcast(*head.D) + own
            : TLanes.Load(head.D + i) + own;
        TLanes.Store(TLanes.Broadcast(delta) * value, u + i);
        TLanes.Store(skip * value, y + i);
    }

    /// <summary>Computes U's left factor, <c>exp(a_t - a_s)·(C_t·B_s)</c> for s ≤ t.</summary>
    private void ApplyDecays<TLanes>(in SsdOperands head, in SsdGroup group, int tokens)
        where TLanes : struct, ILanes<TLanes>
    {
        SsdDecays decays = _decays;
        Rows scores = group.Scores, decayed = _decayed;
        for (int t = 0; t < tokens; t++)
        {
            RowMath.Prefetch(head.X[tokens + t], head.HeadDim);
            float* from = scores[t], to = decayed[t];
            for (int s = 0; s <= t; s += TLanes.Count)
            {
                TLanes.Store(TLanes.Load(from + s) * decays.Since<TLanes>(t, s), to + s);
            }

            if (!head.DiagonalScale.IsNull)
            {
                to[t] = 0f; // Enter has added the diagonal to Y
            }
        }
    }

    private void Write(in SsdOperands head, int tokens, Rows y)
    {
        for (int t = 0; t < tokens; t++)
        {
            if (head.Z.IsNull)
            {
                new ReadOnlySpan<float>(Y[t], head.HeadDim).CopyTo(new(y[t], head.HeadDim));
            }
            else
            {
                Zip.Run<Elementwise.Gate>(Y[t], head.Z[t], y[t], head.HeadDim);
            }
        }
    }

    private void Advance<TLanes>(in SsdGroup group, int tokens, int states, int headDim, Rows state, bool isZero)
        where TLanes : struct, ILanes<TLanes>
    {
        Rows u = _u;
        int columns = SmallProduct.WholeColumns(headDim);
        for (int t = 0; t < tokens; t++)
        {
            TLanes decay = TLanes.Broadcast(_decays.ToEnd[t]);
            for (int i = 0; i < columns; i += TLanes.Count)
            {
                TLanes.Store(decay * TLanes.Load(u[t] + i), u[t] + i);
            }
        }

        SmallProduct.Run(
            group.BTransposed,
            _u,
            state,
            isZero ? 0f : _decays.FromStart[tokens - 1],
            SmallProduct.WholeRows(states),
            columns,
            SmallProduct.Depth.All(tokens));
    }

    /// <summary>The state h of a head, [states, headDim].</summary>
    private Rows StateOf(int head, int states) => _states.At(head * SmallProduct.WholeColumns(states), 0);

    private static void Save(Rows state, int states, int headDim, float* target)
    {
        for (int n = 0; n < states; n++)
        {
            new ReadOnlySpan<float>(state[n], headDim).CopyTo(new(target + ((nint)n * headDim), headDim));
        }
    }
}
