using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// The chunked form of an SSD for one head: what a chunk adds to the output and to the state as products of small
/// matrices.
/// </summary>
/// <remarks>
/// Dao and Gu, arXiv:2405.21060, section 6. With a_t the sum of Δ·A from the chunk's start up to t, U_t = Δ_t·x_t, and
/// h the state before the chunk:
/// <code>
/// y_t = exp(a_t)·C_t·h + Σ_{s≤t} exp(a_t - a_s)·(C_t·B_s)·U_s + D·x_t
/// h'  = exp(a_last)·h  + Σ_s exp(a_last - a_s)·B_s ⊗ U_s
/// </code>
/// The first is one product: [exp(a_t)·C_t | exp(a_t - a_s)·(C_t·B_s)] times h with U below it. Here h is
/// [states, headDim], channels in lanes.
/// </remarks>
internal readonly unsafe struct SsdChunked
{
    private readonly Rows _left;
    private readonly Rows _right;
    private readonly int _wholeStates;

    public SsdChunked(ref Arena arena, int chunk, int states, int headDim)
    {
        _wholeStates = SmallProduct.WholeColumns(states);
        _left = arena.Matrix(chunk, _wholeStates + chunk);
        _right = arena.Matrix(_wholeStates + chunk, headDim);
        Y = arena.Matrix(chunk, headDim);
        Decays = new(ref arena, chunk);
    }

    /// <summary>The output of the chunk before the gate, [tokens, headDim].</summary>
    public Rows Y { get; }

    private SsdDecays Decays { get; }

    /// <summary>h, [states, headDim].</summary>
    private Rows State => _right;

    /// <summary>U_t = Δ_t·x_t, [tokens, headDim].</summary>
    private Rows U => _right.At(_wholeStates, 0);

    /// <summary>Lays the scratch matrices out in memory of <see cref="Size"/>.</summary>
    public static SsdChunked In(float* memory, int chunk, int states, int headDim)
    {
        Arena arena = new(memory);
        return new(ref arena, chunk, states, headDim);
    }

    /// <summary>Number of floats of the scratch matrices.</summary>
    public static nint Size(int chunk, int states, int headDim)
    {
        Arena arena = default;
        _ = new SsdChunked(ref arena, chunk, states, headDim);
        return arena.Used;
    }

    /// <summary>Computes the output and the states of one head over a span of chunks.</summary>
    /// <param name="head">The head's inputs, from the sequence's first token on.</param>
    /// <param name="span">The chunks.</param>
    /// <param name="groups">What the head's group shares, one row for every chunk of the span.</param>
    /// <param name="before">The state before the span, [headDim, states]; null for zeros.</param>
    /// <param name="y">Becomes the output, from the sequence's first token on.</param>
    /// <param name="after">
    /// Becomes the state after the span, [headDim, states]; may be <paramref name="before"/>.
    /// </param>
    /// <param name="checkpoints">
    /// Become the states before the sequence's second, third … chunk, [states, headDim] a row; null where none are
    /// kept.
    /// </param>
    public void Run<TLanes>(
        in SsdOperands head, SsdSpan span, Rows groups, float* before, Rows y, float* after, Rows checkpoints)
        where TLanes : struct, ILanes<TLanes>
    {
        int states = head.States, headDim = head.HeadDim;
        if (before != null)
        {
            Padded.CopyTransposed(new(before, states), headDim, states, State);
        }

        // Zeros are not multiplied: half of the work for a sequence of one chunk.
        bool isZero = before == null;
        for (int chunk = span.First; chunk < span.End; chunk++)
        {
            int tokens = span.Tokens(chunk);
            if (chunk > 0 && !checkpoints.IsNull)
            {
                SaveState(states, headDim, checkpoints[chunk - 1]);
            }

            SsdGroup group = SsdGroup.In(groups[chunk - span.First], span.ChunkLength, states, forBackward: false);
            SsdOperands inputs = head.At(span.Start(chunk), 0);
            ComputeOutput<TLanes>(inputs, group, tokens, isZero);
            Write(inputs, tokens, y.At(span.Start(chunk), 0));
            Advance(group, tokens, headDim, isZero);
            isZero = false;
        }

        Padded.Transpose(State, states, headDim, new(after, states));
    }

    /// <summary>Computes <see cref="Y"/> of one chunk.</summary>
    /// <param name="head">The head's inputs, from the chunk's first token on.</param>
    /// <param name="group">What its group shares.</param>
    /// <param name="tokens">Length of the chunk, at least 1.</param>
    /// <param name="state">The state before the chunk, [states, headDim]; null for zeros.</param>
    public void Recompute<TLanes>(in SsdOperands head, in SsdGroup group, int tokens, Rows state)
        where TLanes : struct, ILanes<TLanes>
    {
        if (!state.IsNull)
        {
            Padded.Copy(state, head.States, head.HeadDim, State);
        }

        ComputeOutput<TLanes>(head, group, tokens, isZero: state.IsNull);
    }

    private void ComputeOutput<TLanes>(in SsdOperands head, in SsdGroup group, int tokens, bool isZero)
        where TLanes : struct, ILanes<TLanes>
    {
        Decays.Fill<TLanes>(head, tokens);
        for (int t = 0; t < tokens; t++)
        {
            RowMath.Scale(head.X[t], Decays.Delta[t], U[t], head.HeadDim);
            if (!isZero)
            {
                RowMath.Scale(group.C[t], Decays.FromStart[t], _left[t], _wholeStates);
            }

            float* scores = group.Scores[t], decayed = _left[t] + _wholeStates;
            for (int s = 0; s <= t; s += TLanes.Count)
            {
                TLanes.Store(TLanes.Load(scores + s) * Decays.Since<TLanes>(t, s), decayed + s);
            }
        }

        SmallProduct.Run(
            _left,
            _right,
            Y,
            0f,
            SmallProduct.WholeRows(tokens),
            SmallProduct.WholeColumns(head.HeadDim),
            SmallProduct.Depth.Below(isZero ? _wholeStates : 0, _wholeStates));
        AddDiagonal<TLanes>(tokens, head.HeadDim);
        for (int t = 0; t < tokens; t++)
        {
            head.AddSkip(head.X[t], Y[t]);
        }
    }

    // Where the diagonal passes through a tile. Zeros above it would do as well, if a later x were never NaN or
    // infinite.
    private void AddDiagonal<TLanes>(int tokens, int headDim)
        where TLanes : struct, ILanes<TLanes>
    {
        for (int t = 0; t < tokens; t++)
        {
            float* decayed = _left[t] + _wholeStates;
            int tile = t & -SmallProduct.RowTile;
            for (int channel = 0; channel < headDim; channel += TLanes.Count)
            {
                float* u = U[tile] + channel;
                TLanes sum = TLanes.Load(Y[t] + channel);
                for (int s = tile; s <= t; s++, u += _right.Pitch)
                {
                    sum = TLanes.MultiplyAdd(TLanes.Broadcast(decayed[s]), TLanes.Load(u), sum);
                }

                TLanes.Store(sum, Y[t] + channel);
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

    private void Advance(in SsdGroup group, int tokens, int headDim, bool isZero)
    {
        int columns = SmallProduct.WholeColumns(headDim);
        for (int t = 0; t < tokens; t++)
        {
            RowMath.Scale(U[t], Decays.ToEnd[t], U[t], columns);
        }

        float decay = isZero ? 0f : Decays.FromStart[tokens - 1];
        SmallProduct.Run(
            group.BTransposed, U, State, decay, _wholeStates, columns, SmallProduct.Depth.All(tokens));
    }

    private void SaveState(int states, int headDim, float* target)
    {
        for (int state = 0; state < states; state++)
        {
            new ReadOnlySpan<float>(State[state], headDim).CopyTo(new(target + ((nint)state * headDim), headDim));
        }
    }
}
