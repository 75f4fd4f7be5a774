using Mamba.Simd;

namespace Mamba.Kernels;

internal readonly unsafe partial struct SsdBackward
{
    /// <summary>Columns of C̄ and B̄ per product; each product skips the k that its triangle leaves empty.</summary>
    private const int PanelWidth = 2 * SmallProduct.ColumnTile;

    /// <summary>
    /// Computes Ū, adds K to its sum over heads, and computes the gradients of Δ·A from pairs of tokens and from the
    /// state's inputs.
    /// </summary>
    private void BackToU<TLanes>(
        in SsdOperands head, in SsdOperands gradients, in SsdGroup group, int tokens, Rows ofState, bool isFirst)
        where TLanes : struct, ILanes<TLanes>
    {
        int rows = SmallProduct.WholeRows(tokens), columns = SmallProduct.WholeColumns(tokens);
        int channels = SmallProduct.WholeColumns(head.HeadDim);

        // exp(a_last - a_s)·h̄'·B_s
        SmallProduct.Run(
            group.B, ofState, _ofU, 0f, rows, channels, SmallProduct.Depth.All(head.States), _decays.ToEnd);
        for (int s = 0; s < tokens; s++)
        {
            _toState[s] = Dot<TLanes>(_ofU[s], _u[s], head.HeadDim);
        }

        // K_ts starts as ȳ_t·U_s. DecayPairs multiplies K and the scores by the decays; the product of K_ts and C_t·B_s
        // is the gradient of the decay's exponent from s to t.
        SmallProduct.RunUpper(_u, _ofYTransposed, _k, rows, columns, head.HeadDim);
        new Span<float>(_pairs, columns).Clear();
        _within[0] = 0f;
        for (int s = 0; s < tokens; s++)
        {
            if (!gradients.X.IsNull)
            {
                RowMath.Prefetch(gradients.X[s], head.HeadDim);
            }

            if (head.DiagonalScale.IsNull)
            {
                DecayPairs<TLanes>(s, columns, group.ScoresTransposed[s], isFirst);
            }
            else
            {
                _k[s][s] = *head.DiagonalScale[s] * Dot<TLanes>(_ofY[s], head.X[s], head.HeadDim);
                DecayPairs<TLanes>(s, columns, group.ScoresTransposed[s], isFirst);
                _scores[s][s] = 0f;
            }
        }

        // Σ_{t≥s} exp(a_t - a_s)·(C_t·B_s)·ȳ_t
        SmallProduct.Run(_scores, _ofY, _ofU, 1f, rows, channels, SmallProduct.Depth.FromRow(tokens));
    }

    /// <summary>Multiplies row s of K and of the scores by the decays from s on.</summary>
    /// <remarks>
    /// The gradient of Δ_r·A from pairs is <c>Σ_{s&lt;r≤t} K_ts·(C_t·B_s)</c>. The sums over s are kept for every t,
    /// and are summed over t after s = r - 1.
    /// </remarks>
    private void DecayPairs<TLanes>(int s, int columns, float* scores, bool isFirst)
        where TLanes : struct, ILanes<TLanes>
    {
        SsdDecays decays = _decays;
        float* k = _k[s], sumOfK = _sumOfK[s], decayed = _scores[s], pairs = _pairs;
        int first = s & -TLanes.Count, next = (s + 1) & -TLanes.Count;
        for (int t = first; t < columns; t += TLanes.Count)
        {
            TLanes decay = decays.Until<TLanes>(s, t), score = TLanes.Load(scores + t);
            TLanes pair = decay * TLanes.Load(k + t);
            TLanes.Store(decay * score, decayed + t);
            TLanes.Store(isFirst ? pair : TLanes.Load(sumOfK + t) + pair, sumOfK + t);
            TLanes.Store(TLanes.MultiplyAdd(pair, score, TLanes.Load(pairs + t)), pairs + t);
        }

        new Span<float>(sumOfK, s).Clear();
        new Span<float>(pairs + first, s + 1 - first).Clear();
        TLanes sum = TLanes.Broadcast(0f);
        for (int t = next; t < columns; t += TLanes.Count)
        {
            sum += TLanes.Load(pairs + t);
        }

        _within[s + 1] = TLanes.Sum(sum);
    }

    /// <summary>
    /// Adds <c>exp(a_t)·ȳ_t·h</c> to C̄, and computes the gradients of Δ·A from the state's outputs.
    /// </summary>
    private void BackToC<TLanes>(
        in SsdOperands head, in SsdGroup group, int tokens, Rows state, Rows ofState, Rows sumOfC, bool isFirst)
        where TLanes : struct, ILanes<TLanes>
    {
        int rows = SmallProduct.WholeRows(head.States), columns = SmallProduct.WholeColumns(tokens);
        new Span<float>(_fromState, columns).Clear();
        if (state.IsNull)
        {
            return;
        }

        ScaleColumns<TLanes>(_ofYTransposed, _decays.FromStart, head.HeadDim, columns);
        SmallProduct.Run(state, _ofYTransposed, _ofC, 0f, rows, columns, SmallProduct.Depth.All(head.HeadDim));
        float passing = 0;
        float* fromState = _fromState;
        for (int n = 0; n < head.States; n++)
        {
            float* c = group.CTransposed[n], share = _ofC[n], sum = sumOfC[n];
            for (int t = 0; t < columns; t += TLanes.Count)
            {
                TLanes ofC = TLanes.Load(share + t);
                TLanes.Store(
                    TLanes.MultiplyAdd(TLanes.Load(c + t), ofC, TLanes.Load(fromState + t)), fromState + t);
                TLanes.Store(isFirst ? ofC : TLanes.Load(sum + t) + ofC, sum + t);
            }

            passing += Dot<TLanes>(state[n], ofState[n], head.HeadDim);
        }

        // The state's decay over the whole chunk depends on every token: Write adds the last token's entry to all.
        _fromState[tokens - 1] += passing * _decays.FromStart[tokens - 1];
    }

    /// <summary>Adds <c>exp(a_last - a_s)·U_s·h̄'</c> to B̄.</summary>
    private void BackToB<TLanes>(in SsdOperands head, int tokens, Rows ofState, Rows ofB, bool isFirst)
        where TLanes : struct, ILanes<TLanes>
    {
        int rows = SmallProduct.WholeRows(head.States), columns = SmallProduct.WholeColumns(tokens);
        ScaleColumns<TLanes>(_uTransposed, _decays.ToEnd, head.HeadDim, columns);
        SmallProduct.Run(
            ofState,
            _uTransposed,
            ofB,
            isFirst ? 0f : 1f,
            rows,
            columns,
            SmallProduct.Depth.All(head.HeadDim));
    }

    /// <summary>Adds the gradients of x, Δ, the decays, the diagonal's weights, A, D and Δ's bias.</summary>
    private void Write<TLanes>(in SsdOperands head, in SsdOperands gradients, in SsdGroup group, int tokens)
        where TLanes : struct, ILanes<TLanes>
    {
        // The limit of A·exp(Δ·A) at A = -∞ is 0, but -∞·0 is NaN.
        double a = head.LogDecay.IsNull ? Math.Max(*head.A, -float.MaxValue) : 0, toState = 0;
        double ofA = 0, ofBias = 0, ofD = 0;
        for (int r = 0; r < tokens; r++)
        {
            _within[r] += (float)toState;
            toState += _toState[r];
        }

        double fromState = 0;
        for (int r = tokens - 1; r >= 0; r--)
        {
            fromState += _fromState[r];
            double exponent = head.LogDecay.IsNull ? _decays.Delta[r] * a : *head.LogDecay[r];
            double ofDecay = exponent > 0 ? 0 : _within[r] + fromState; // an exponent above 0 counts as 0
            float* x = head.X[r];
            double ofDelta = Dot<TLanes>(_ofU[r], x, head.HeadDim) + (a * ofDecay);
            double ofRaw = ofDelta * head.DeltaSlopeAt(r);
            ofA += _decays.Delta[r] * ofDecay;
            ofBias += ofRaw;
            if (!gradients.Delta.IsNull)
            {
                *gradients.Delta[r] += (float)ofRaw;
            }

            if (!gradients.LogDecay.IsNull)
            {
                *gradients.LogDecay[r] += (float)ofDecay;
            }

            float diagonal = head.DiagonalScale.IsNull ? 0f : *head.DiagonalScale[r] * group.Scores[r][r];
            if (!gradients.DiagonalScale.IsNull)
            {
                *gradients.DiagonalScale[r] += group.Scores[r][r] * Dot<TLanes>(_ofY[r], x, head.HeadDim);
            }

            if (!gradients.X.IsNull)
            {
                AddScaled<TLanes>(_ofU[r], _decays.Delta[r], gradients.X[r], head.HeadDim);
                if (head.D != null && head.WidthOfD == 1)
                {
                    AddScaled<TLanes>(_ofY[r], *head.D, gradients.X[r], head.HeadDim);
                }
                else if (head.D != null)
                {
                    RowMath.AddProduct(_ofY[r], head.D, gradients.X[r], head.HeadDim);
                }

                if (diagonal != 0f)
                {
                    AddScaled<TLanes>(_ofY[r], diagonal, gradients.X[r], head.HeadDim);
                }
            }

            if (gradients.D == null)
            {
                continue;
            }

            if (head.WidthOfD == 1)
            {
                ofD += Dot<TLanes>(_ofY[r], x, head.HeadDim);
            }
            else
            {
                RowMath.AddProduct(_ofY[r], x, gradients.D, head.HeadDim);
            }
        }

        *gradients.A += (float)ofA;
        *gradients.DeltaBias += (float)ofBias;
        if (gradients.D != null && head.WidthOfD == 1)
        {
            *gradients.D += (float)ofD;
        }
    }

    /// <summary>Computes h̄, the gradient of the state before the chunk.</summary>
    private void BackToState<TLanes>(in SsdOperands head, in SsdGroup group, int tokens, Rows ofState)
        where TLanes : struct, ILanes<TLanes>
    {
        int columns = SmallProduct.WholeColumns(head.HeadDim);
        for (int t = 0; t < tokens; t++)
        {
            Scale<TLanes>(_ofY[t], _decays.FromStart[t], _ofY[t], columns);
        }

        SmallProduct.Run(
            group.CTransposed,
            _ofY,
            ofState,
            _decays.FromStart[tokens - 1],
            SmallProduct.WholeRows(head.States),
            columns,
            SmallProduct.Depth.All(tokens));
    }

    /// <summary>Adds Σ K_ts·B_s to C̄ and Σ K_ts·C_t to B̄; K is summed over the heads.</summary>
    private void BackToShare(in SsdGroup group, int tokens, int states, bool hasState, SsdShare share)
    {
        int rows = SmallProduct.WholeRows(states), columns = SmallProduct.WholeColumns(tokens);
        for (int t = 0; t < columns; t += PanelWidth)
        {
            SmallProduct.Run(
                group.BTransposed,
                _sumOfK.From(t),
                share.OfC.From(t),
                hasState ? 1f : 0f,
                rows,
                Math.Min(PanelWidth, columns - t),
                SmallProduct.Depth.All(Math.Min(t + PanelWidth, tokens)));
        }

        Transposition.Run(_sumOfK, tokens, tokens, _k);
        for (int s = 0; s < columns; s += PanelWidth)
        {
            SmallProduct.Run(
                group.CTransposed.From(s),
                _k.At(s, s),
                share.OfB.From(s),
                1f,
                rows,
                Math.Min(PanelWidth, columns - s),
                SmallProduct.Depth.All(tokens - s));
        }
    }
}
