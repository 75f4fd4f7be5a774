using Mamba.Simd;

namespace Mamba.Kernels;

internal static unsafe partial class SelectiveScan
{
    /// <summary>Complex states, <c>y = 2·Re(C·h)</c>, one at a time; r and i are real and imaginary parts.</summary>
    internal readonly struct Complex<TB, TC> : IRecurrence
        where TB : struct, ICoupling
        where TC : struct, ICoupling
    {
        public static void Forward<TLanes>(in ScanTile tile, in ScanChunk chunk, Rows state)
            where TLanes : struct, ILanes<TLanes>
        {
            for (int n = 0; n < tile.States; n++)
            {
                float* hr = state[n], hi = state[tile.States + n];
                (TLanes r, TLanes i) = Scan(tile, chunk, n, TLanes.Load(hr), TLanes.Load(hi), keep: false);
                TLanes.Store(r, hr);
                TLanes.Store(i, hi);
            }
        }

        public static void Backward<TLanes>(
            in ScanTile tile, in ScanChunk chunk, Rows state, Rows carry, in ScanGradientTile gradients)
            where TLanes : struct, ILanes<TLanes>
        {
            for (int n = 0; n < tile.States; n++)
            {
                TLanes r = TLanes.Load(state[n]), i = TLanes.Load(state[tile.States + n]);
                (r, i) = Scan(tile, chunk, n, r, i, keep: true);
                StorePair(r, i, chunk.States + (2 * chunk.Length * TLanes.Count));
                Back<TLanes>(tile, chunk, carry, gradients, n);
            }
        }

        /// <summary>Scans one state. Keeps exp(Δ·A) and h before every token for the backward pass.</summary>
        private static (TLanes R, TLanes I) Scan<TLanes>(
            in ScanTile tile, in ScanChunk chunk, int n, TLanes hr, TLanes hi, bool keep)
            where TLanes : struct, ILanes<TLanes>
        {
            TLanes ar = TLanes.Load(tile.A[n]), ai = TLanes.Load(tile.A[tile.States + n]);
            for (int t = 0; t < chunk.Length; t++)
            {
                int at = t * TLanes.Count;
                TLanes step = TLanes.Load(chunk.Delta + at), u = TLanes.Load(chunk.Input + at);

                // exp(Δ·A) = e^(Δ·Re A)·(cos(Δ·Im A) + i·sin(Δ·Im A))
                TLanes size = LaneMath.Exp(step * ar);
                (TLanes sin, TLanes cos) = LaneMath.SinCos(step * ai);
                TLanes er = size * cos, ei = size * sin;
                if (keep)
                {
                    StorePair(er, ei, chunk.Decays + (2 * at));
                    StorePair(hr, hi, chunk.States + (2 * at));
                }

                float* b = tile.B[t, n], c = tile.C[t, n];
                TLanes r = TLanes.MultiplyAdd(er, hr, TB.Load<TLanes>(b) * u);
                TLanes i = TLanes.MultiplyAdd(er, hi, TB.Load<TLanes>(b + tile.B.ImaginaryOffset) * u);
                (hr, hi) = (TLanes.MultiplyAdd(-ei, hi, r), TLanes.MultiplyAdd(ei, hr, i));

                TLanes y = TC.Load<TLanes>(c) * hr;
                y = TLanes.MultiplyAdd(-TC.Load<TLanes>(c + tile.C.ImaginaryOffset), hi, y);
                TLanes.Store(TLanes.Load(chunk.Output + at) + y + y, chunk.Output + at);
            }

            return (hr, hi);
        }

        /// <summary>
        /// Computes <c>g_t = 2·gy_t·C̄_t + conj(exp(Δ_{t+1}·A))·g_{t+1}</c>. A complex gradient is the gradient of the
        /// real part plus i times that of the imaginary part.
        /// </summary>
        private static void Back<TLanes>(
            in ScanTile tile, in ScanChunk chunk, Rows carry, in ScanGradientTile gradients, int n)
            where TLanes : struct, ILanes<TLanes>
        {
            int imaginary = tile.States + n;
            TLanes ar = TLanes.Load(tile.A[n]), ai = TLanes.Load(tile.A[imaginary]);
            TLanes gar = TLanes.Load(gradients.A[n]), gai = TLanes.Load(gradients.A[imaginary]);
            TLanes gr = TLanes.Load(carry[n]), gi = TLanes.Load(carry[imaginary]);
            for (int t = chunk.Length - 1; t >= 0; t--)
            {
                int at = t * TLanes.Count;
                TLanes step = TLanes.Load(chunk.Delta + at), u = TLanes.Load(chunk.Input + at);
                TLanes gy = TLanes.Load(chunk.GradientOfOutput + at);
                gy += gy;
                (TLanes afterR, TLanes afterI) = LoadPair<TLanes>(chunk.States + (2 * (at + TLanes.Count)));
                AddPair<TC, TLanes>(gy * afterR, -gy * afterI, gradients.C, t, n);

                float* b = tile.B[t, n], c = tile.C[t, n];
                gr = TLanes.MultiplyAdd(TC.Load<TLanes>(c), gy, gr);
                gi = TLanes.MultiplyAdd(-TC.Load<TLanes>(c + tile.C.ImaginaryOffset), gy, gi);
                AddPair<TB, TLanes>(gr * u, gi * u, gradients.B, t, n);
                TLanes gInput = TLanes.MultiplyAdd(TB.Load<TLanes>(b), gr, TLanes.Load(chunk.GradientOfInput + at));
                gInput = TLanes.MultiplyAdd(TB.Load<TLanes>(b + tile.B.ImaginaryOffset), gi, gInput);
                TLanes.Store(gInput, chunk.GradientOfInput + at);

                // The gradient of h_{t-1} is conj(exp(Δ·A))·g; that of Δ·A is q = conj(exp(Δ·A)·h_{t-1})·g.
                (TLanes er, TLanes ei) = LoadPair<TLanes>(chunk.Decays + (2 * at));
                (TLanes hr, TLanes hi) = LoadPair<TLanes>(chunk.States + (2 * at));
                (gr, gi) = (TLanes.MultiplyAdd(ei, gi, er * gr), TLanes.MultiplyAdd(-ei, gr, er * gi));
                TLanes qr = TLanes.MultiplyAdd(hi, gi, hr * gr), qi = TLanes.MultiplyAdd(-hi, gr, hr * gi);
                TLanes gDelta = TLanes.MultiplyAdd(ar, qr, TLanes.Load(chunk.GradientOfDelta + at));
                TLanes.Store(TLanes.MultiplyAdd(ai, qi, gDelta), chunk.GradientOfDelta + at);
                gar = TLanes.MultiplyAdd(step, qr, gar);
                gai = TLanes.MultiplyAdd(step, qi, gai);
            }

            TLanes.Store(gar, gradients.A[n]);
            TLanes.Store(gai, gradients.A[imaginary]);
            TLanes.Store(gr, carry[n]);
            TLanes.Store(gi, carry[imaginary]);
        }

        private static (TLanes R, TLanes I) LoadPair<TLanes>(float* source)
            where TLanes : struct, ILanes<TLanes> => (TLanes.Load(source), TLanes.Load(source + TLanes.Count));

        private static void StorePair<TLanes>(TLanes r, TLanes i, float* target)
            where TLanes : struct, ILanes<TLanes>
        {
            TLanes.Store(r, target);
            TLanes.Store(i, target + TLanes.Count);
        }

        private static void AddPair<TCoupling, TLanes>(TLanes r, TLanes i, in Coupling target, int t, int n)
            where TCoupling : struct, ICoupling
            where TLanes : struct, ILanes<TLanes>
        {
            TCoupling.Add(r, target[t, n]);
            TCoupling.Add(i, target[t, n] + target.ImaginaryOffset);
        }
    }
}
