using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// The backward pass of <see cref="SsdChunked"/> for heads of one group, chunk by chunk from the last to the first.
/// </summary>
/// <remarks>
/// With the symbols of <see cref="SsdChunked"/>, a bar for a gradient, and
/// <c>K_ts = exp(a_t - a_s)·(ȳ_t·U_s)</c> for s ≤ t:
/// <code>
/// Ū_s = exp(a_last - a_s)·h̄'·B_s + Σ_{t≥s} exp(a_t - a_s)·(C_t·B_s)·ȳ_t
/// C̄_t = exp(a_t)·ȳ_t·h + Σ_{s≤t} K_ts·B_s
/// B̄_s = exp(a_last - a_s)·U_s·h̄' + Σ_{t≥s} K_ts·C_t
/// h̄   = exp(a_last)·h̄' + Σ_t exp(a_t)·ȳ_t ⊗ C_t
/// </code>
/// The gradient of Δ_r·A sums the terms of all decays that span r, and no others. The shorter formula, a difference of
/// C̄_t·C_t and B̄_t·B_t, contains undecayed terms that cancel, which loses digits.
/// B̄ and C̄ are sums over the heads that share B and C: K is summed over these heads first, then multiplied once.
/// Both are computed transposed, [states, tokens], so that all products use matrices that exist already.
/// If the diagonal has its own weight γ, the sum in Ū excludes t = s, and K_tt is γ_t·(ȳ_t·x_t).
/// </remarks>
internal readonly unsafe partial struct SsdBackward
{
    private readonly SsdDecays _decays;
    private readonly SsdChunked _forward;
    private readonly Rows _u;
    private readonly Rows _uTransposed;
    private readonly Rows _ofY;
    private readonly Rows _ofYTransposed;
    private readonly Rows _ofU;
    private readonly Rows _ofC;
    private readonly Rows _scores;
    private readonly Rows _k;
    private readonly Rows _sumOfK;
    private readonly Rows _state;
    private readonly Rows _ofStates;
    private readonly float* _fromState;
    private readonly float* _toState;
    private readonly float* _within;
    private readonly float* _pairs;

    private SsdBackward(ref Arena arena, int heads, int chunk, int states, int headDim)
    {
        _decays = new(ref arena, chunk);
        _forward = new(ref arena, 0, chunk, states, headDim);
        _u = arena.Matrix(chunk, headDim);
        _uTransposed = arena.Matrix(headDim, chunk);
        _ofY = arena.Matrix(chunk, headDim);
        _ofYTransposed = arena.Matrix(headDim, chunk);
        _ofU = arena.Matrix(chunk, headDim);
        _ofC = arena.Matrix(states, chunk);
        _scores = arena.Matrix(chunk, chunk);
        _k = arena.Matrix(chunk, chunk);
        _sumOfK = arena.Matrix(chunk, chunk);
        _state = arena.Matrix(states, headDim);
        _ofStates = arena.Matrix(heads * SmallProduct.WholeColumns(states), headDim);
        _fromState = arena.Vector(chunk);
        _toState = arena.Vector(chunk);
        _within = arena.Vector(chunk + 1);
        _pairs = arena.Vector(chunk);
    }

    /// <summary>Lays out the scratch matrices in memory of <see cref="Size"/> floats.</summary>
    public static SsdBackward In(float* memory, int heads, int chunk, int states, int headDim)
    {
        Arena arena = new(memory);
        return new(ref arena, heads, chunk, states, headDim);
    }

    /// <summary>Number of floats of the scratch matrices.</summary>
    public static nint Size(int heads, int chunk, int states, int headDim)
    {
        Arena arena = default;
        _ = new SsdBackward(ref arena, heads, chunk, states, headDim);
        return arena.Used;
    }

    /// <summary>Computes the gradients of heads of one group over a span of chunks.</summary>
    /// <param name="first">The first head's inputs, from the sequence's first token on.</param>
    /// <param name="gradients">
    /// Gradients of the same inputs, which are added to. Null rows are skipped; B and C are ignored.
    /// </param>
    /// <param name="heads">Number of heads.</param>
    /// <param name="span">The chunks.</param>
    /// <param name="groups">The matrices of the heads' group, one row per chunk of the span.</param>
    /// <param name="initial">The states before the sequence, [heads, headDim, states]; null for zeros.</param>
    /// <param name="checkpoints">
    /// The states before the second, third … chunk, one row [heads, states, headDim] each.
    /// </param>
    /// <param name="gy">The gradient of the output, from the sequence's first token on; null for zeros.</param>
    /// <param name="ofAfter">
    /// The gradients of the states after the span, [heads, headDim, states]; null for zeros.
    /// </param>
    /// <param name="ofBefore">
    /// Receives the gradients of the states before the span; may be <paramref name="ofAfter"/>.
    /// </param>
    /// <param name="shares">
    /// Receives the heads' shares of the gradients of B and C, one row per chunk of the span.
    /// </param>
    public void Run<TLanes>(
        in SsdOperands first,
        in SsdOperands gradients,
        int heads,
        SsdSpan span,
        Rows groups,
        float* initial,
        Rows checkpoints,
        Rows gy,
        float* ofAfter,
        float* ofBefore,
        Rows shares)
        where TLanes : struct, ILanes<TLanes>
    {
        int states = first.States, headDim = first.HeadDim;
        nint size = (nint)states * headDim;
        for (int head = 0; head < heads; head++)
        {
            if (ofAfter == null)
            {
                Padded.Zero(states, headDim, OfState(head, states));
            }
            else
            {
                Padded.CopyTransposed(
                    new(ofAfter + (head * size), states), headDim, states, OfState(head, states));
            }
        }

        for (int chunk = span.End - 1; chunk >= span.First; chunk--)
        {
            int start = span.Start(chunk), tokens = span.Tokens(chunk);
            if (tokens == 0)
            {
                continue;
            }

            SsdGroup group = SsdGroup.In(groups[chunk - span.First], span.ChunkLength, states, forBackward: true);
            SsdShare share = SsdShare.In(shares[chunk - span.First], span.ChunkLength, states);
            bool hasState = chunk > 0 || initial != null;
            for (int head = 0; head < heads; head++)
            {
                if (chunk > 0)
                {
                    Padded.Copy(new(checkpoints[chunk - 1] + (head * size), headDim), states, headDim, _state);
                }
                else if (initial != null)
                {
                    Padded.CopyTransposed(new(initial + (head * size), states), headDim, states, _state);
                }

                Run<TLanes>(
                    first.At(start, head),
                    gradients.At(start, head),
                    group,
                    tokens,
                    span.ChunkLength,
                    hasState ? _state : default,
                    OfState(head, states),
                    gy.At(start, head * headDim),
                    share,
                    isFirst: head == 0);
            }

            BackToShare(group, tokens, states, hasState, share);
        }

        for (int head = 0; head < heads; head++)
        {
            Transposition.Run(OfState(head, states), states, headDim, new(ofBefore + (head * size), states));
        }
    }

    /// <summary>The gradient of a head's state, [states, headDim].</summary>
    private Rows OfState(int head, int states) => _ofStates.At(head * SmallProduct.WholeColumns(states), 0);

    private void Run<TLanes>(
        in SsdOperands head,
        in SsdOperands gradients,
        in SsdGroup group,
        int tokens,
        int chunkLength,
        Rows state,
        Rows ofState,
        Rows gy,
        SsdShare share,
        bool isFirst)
        where TLanes : struct, ILanes<TLanes>
    {
        _decays.Fill<TLanes>(head, tokens);
        for (int t = 0; t < tokens; t++)
        {
            RowMath.Prefetch(head.X[t - chunkLength], head.HeadDim);
            Scale<TLanes>(head.X[t], _decays.Delta[t], _u[t], head.HeadDim);
        }

        LoadGradientOfY<TLanes>(head, gradients, group, tokens, state, gy);
        Padded.CopyTransposed(_u, tokens, head.HeadDim, _uTransposed);
        Padded.CopyTransposed(_ofY, tokens, head.HeadDim, _ofYTransposed);
        BackToU<TLanes>(head, gradients, group, tokens, ofState, isFirst);
        BackToC<TLanes>(head, group, tokens, state, ofState, share.OfC, isFirst);
        BackToB<TLanes>(head, tokens, ofState, share.OfB, isFirst);
        Write<TLanes>(head, gradients, group, tokens);
        BackToState<TLanes>(head, group, tokens, ofState);
    }

    /// <summary>
    /// Computes ȳ before the gate, recomputes y, and adds the gradient of the gate.
    /// </summary>
    private void LoadGradientOfY<TLanes>(
        in SsdOperands head, in SsdOperands gradients, in SsdGroup group, int tokens, Rows state, Rows gy)
        where TLanes : struct, ILanes<TLanes>
    {
        if (gy.IsNull)
        {
            Padded.Zero(tokens, head.HeadDim, _ofY);
            return;
        }

        if (head.Z.IsNull)
        {
            Padded.Copy(gy, tokens, head.HeadDim, _ofY);
            return;
        }

        _forward.ComputeOutput<TLanes>(head, group, tokens, state);
        Padded.Zero(tokens, head.HeadDim, _ofY);
        for (int t = 0; t < tokens; t++)
        {
            float* gz = gradients.Z.IsNull ? null : gradients.Z[t];
            Zip.RunBackward<Elementwise.Gate>(_forward.Y[t], head.Z[t], gy[t], _ofY[t], gz, head.HeadDim);
        }
    }
}
