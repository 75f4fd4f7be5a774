using Mamba.Simd;

namespace Mamba.Kernels;

internal readonly unsafe partial struct SsdBackward
{
    /// <summary>Columns of C̄ and B̄ at a time, so that what a triangle leaves empty is not multiplied.</summary>
    private const int PanelWidth = 2 * SmallProduct.ColumnTile;

    /// <summary>
    /// Computes Ū, K, and the gradients of Δ·A from pairs of tokens and from what flows into the state.
    /// </summary>
    private void BackToU<TLanes>(in SsdOperands head, in SsdGroup group, int tokens)
        where TLanes : struct, ILanes<TLanes>
    {
        int rows = SmallProduct.WholeRows(tokens), columns = SmallProduct.WholeColumns(tokens);
        int channels = SmallProduct.WholeColumns(head.HeadDim);

        // exp(a_last - a_s)·h̄'·B_s
        for (int s = 0; s < tokens; s++)
        {
            RowMath.Scale(group.B[s], _decays.ToEnd[s], _left[s], head.States);
        }

        SmallProduct.Run(_left, _ofState, _ofU, 0f, rows, channels, SmallProduct.Depth.All(head.States));
        for (int s = 0; s < tokens; s++)
        {
            _toState[s] = RowMath.Dot(_ofU[s], _u[s], head.HeadDim);
        }

        // ȳ_t·U_s becomes K_ts, the scores decay, and both together are what the decay from s to t is worth.
        SmallProduct.RunUpper(_u, _ofYTransposed, _kTransposed, rows, columns, head.HeadDim);
        new Span<float>(_pairs, columns).Clear();
        _within[0] = 0f;
        for (int s = 0; s < tokens; s++)
        {
            DecayPairs<TLanes>(s, columns, group.ScoresTransposed[s]);
        }

        Transposition.Run(_kTransposed, tokens, tokens, _k);

        // Σ_{t≥s} exp(a_t - a_s)·(C_t·B_s)·ȳ_t
        SmallProduct.Run(_scores, _ofY, _ofU, 1f, rows, channels, SmallProduct.Depth.FromRow(tokens));
    }

    /// <summary>Applies the decays from s on to one row of K and of the scores.</summary>
    /// <remarks>
    /// The gradient of Δ_r·A from pairs is <c>Σ_{s&lt;r≤t} K_ts·(C_t·B_s)</c>: the sums over s are kept for every t,
    /// and added over t once s = r - 1 is in.
    /// </remarks>
    private void DecayPairs<TLanes>(int s, int columns, float* scores)
        where TLanes : struct, ILanes<TLanes>
    {
        float* k = _kTransposed[s];
        int first = s & -TLanes.Count, next = (s + 1) & -TLanes.Count;
        for (int t = first; t < columns; t += TLanes.Count)
        {
            TLanes decay = _decays.Until<TLanes>(s, t), score = TLanes.Load(scores + t);
            TLanes pair = decay * TLanes.Load(k + t);
            TLanes.Store(decay * score, _scores[s] + t);
            TLanes.Store(pair, k + t);
            TLanes.Store(TLanes.MultiplyAdd(pair, score, TLanes.Load(_pairs + t)), _pairs + t);
        }

        new Span<float>(k, s).Clear();
        new Span<float>(_pairs + first, s + 1 - first).Clear();
        TLanes sum = TLanes.Broadcast(0f);
        for (int t = next; t < columns; t += TLanes.Count)
        {
            sum += TLanes.Load(_pairs + t);
        }

        _within[s + 1] = TLanes.Sum(sum);
    }

    /// <summary>Computes C̄, and the gradients of Δ·A from what comes out of the state.</summary>
    private void BackToC(in SsdOperands head, in SsdGroup group, int tokens, Rows state, Rows ofC)
    {
        int rows = SmallProduct.WholeRows(head.States), columns = SmallProduct.WholeColumns(tokens);
        new Span<float>(_fromState, columns).Clear();
        if (!state.IsNull)
        {
            ScaleColumns(_ofYTransposed, _decays.FromStart, head.HeadDim, columns);
            SmallProduct.Run(state, _ofYTransposed, ofC, 0f, rows, columns, SmallProduct.Depth.All(head.HeadDim));
            float passing = 0;
            for (int n = 0; n < head.States; n++)
            {
                RowMath.AddProduct(group.CTransposed[n], ofC[n], _fromState, columns);
                passing += RowMath.Dot(state[n], _ofState[n], head.HeadDim);
            }

            // What passes through the whole chunk counts for every token, as if it came out of the state at the last.
            _fromState[tokens - 1] += passing * _decays.FromStart[tokens - 1];
        }

        for (int t = 0; t < columns; t += PanelWidth)
        {
            SmallProduct.Run(
                group.BTransposed,
                _kTransposed.From(t),
                ofC.From(t),
                state.IsNull ? 0f : 1f,
                rows,
                Math.Min(PanelWidth, columns - t),
                SmallProduct.Depth.All(Math.Min(t + PanelWidth, tokens)));
        }
    }

    private void BackToB(in SsdOperands head, in SsdGroup group, int tokens, Rows ofB)
    {
        int rows = SmallProduct.WholeRows(head.States), columns = SmallProduct.WholeColumns(tokens);
        ScaleColumns(_uTransposed, _decays.ToEnd, head.HeadDim, columns);
        SmallProduct.Run(_ofState, _uTransposed, ofB, 0f, rows, columns, SmallProduct.Depth.All(head.HeadDim));
        for (int s = 0; s < columns; s += PanelWidth)
        {
            SmallProduct.Run(
                group.CTransposed.From(s),
                _k.At(s, s),
                ofB.From(s),
                1f,
                rows,
                Math.Min(PanelWidth, columns - s),
                SmallProduct.Depth.All(tokens - s));
        }
    }

    /// <summary>Adds the gradients of x, Δ, A, D and Δ's bias.</summary>
    private void Write(in SsdOperands head, in SsdOperands gradients, int tokens)
    {
        double toState = 0, ofA = 0, ofBias = 0, ofD = 0;
        for (int r = 0; r < tokens; r++)
        {
            _within[r] += (float)toState;
            toState += _toState[r];
        }

        double fromState = 0;
        for (int r = tokens - 1; r >= 0; r--)
        {
            fromState += _fromState[r];
            double ofDecay = _within[r] + fromState;
            float* x = head.X[r];
            double ofDelta = RowMath.Dot(_ofU[r], x, head.HeadDim) + (*head.A * ofDecay);
            double ofRaw = ofDelta * head.DeltaSlopeAt(r);
            ofA += _decays.Delta[r] * ofDecay;
            ofBias += ofRaw;
            if (!gradients.Delta.IsNull)
            {
                *gradients.Delta[r] += (float)ofRaw;
            }

            if (!gradients.X.IsNull)
            {
                Elementwise.AddScaled(_ofU[r], _decays.Delta[r], gradients.X[r], head.HeadDim);
                head.AddSkip(_ofY[r], gradients.X[r]);
            }

            if (gradients.D == null)
            {
                continue;
            }

            if (head.WidthOfD == 1)
            {
                ofD += RowMath.Dot(_ofY[r], x, head.HeadDim);
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

    /// <summary>Computes h̄.</summary>
    private void BackToState(in SsdOperands head, in SsdGroup group, int tokens)
    {
        for (int t = 0; t < tokens; t++)
        {
            RowMath.Scale(_ofY[t], _decays.FromStart[t], _ofY[t], head.HeadDim);
        }

        SmallProduct.Run(
            group.CTransposed,
            _ofY,
            _ofState,
            _decays.FromStart[tokens - 1],
            SmallProduct.WholeRows(head.States),
            SmallProduct.WholeColumns(head.HeadDim),
            SmallProduct.Depth.All(tokens));
    }

    private static void ScaleColumns(Rows matrix, float* factors, int rows, int columns)
    {
        for (int row = 0; row < rows; row++)
        {
            Zip.Run<Elementwise.Multiply>(matrix[row], factors, matrix[row], columns);
        }
    }
}
