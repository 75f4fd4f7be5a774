using Mamba.Simd;

namespace Mamba.Kernels;

internal static unsafe partial class SelectiveScan
{
    internal readonly partial struct Real<TB, TC>
    {
        public static void Backward<TLanes>(
            in ScanTile tile, in ScanChunk chunk, Rows state, Rows carry, in ScanGradientTile gradients)
            where TLanes : struct, ILanes<TLanes>
        {
            int n = 0;
            for (; n <= tile.States - 4; n += 4)
            {
                RecomputeFour<TLanes>(tile, chunk, state, n);
                BackwardFour<TLanes>(tile, chunk, carry, gradients, n);
            }

            for (; n < tile.States; n++)
            {
                RecomputeOne<TLanes>(tile, chunk, state, n);
                BackwardOne<TLanes>(tile, chunk, carry, gradients, n);
            }
        }

        /// <summary>Repeats the forward pass and keeps exp(Δ·A) and h of every token.</summary>
        private static void RecomputeFour<TLanes>(in ScanTile tile, in ScanChunk chunk, Rows state, int n)
            where TLanes : struct, ILanes<TLanes>
        {
            Decay<TLanes> decay = Decay<TLanes>.Create();
            TLanes log2E = TLanes.Broadcast(Log2E);
            TLanes a0 = TLanes.Load(tile.A[n]) * log2E, a1 = TLanes.Load(tile.A[n + 1]) * log2E;
            TLanes a2 = TLanes.Load(tile.A[n + 2]) * log2E, a3 = TLanes.Load(tile.A[n + 3]) * log2E;
            TLanes h0 = TLanes.Load(state[n]), h1 = TLanes.Load(state[n + 1]);
            TLanes h2 = TLanes.Load(state[n + 2]), h3 = TLanes.Load(state[n + 3]);
            float* b = tile.B[0, n], c = tile.C[0, n];
            nint bState = tile.B.StatePitch, cState = tile.C.StatePitch;
            float* h = chunk.States, decays = chunk.Decays;
            for (int t = 0; t < chunk.Length; t++)
            {
                int i = t * TLanes.Count;
                StoreFour(h0, h1, h2, h3, h);
                TLanes step = TLanes.Load(chunk.Delta + i), u = TLanes.Load(chunk.Input + i);
                TLanes y = TLanes.Load(chunk.Output + i);
                TLanes e0 = decay.Of(step * a0), e1 = decay.Of(step * a1);
                TLanes e2 = decay.Of(step * a2), e3 = decay.Of(step * a3);
                StoreFour(e0, e1, e2, e3, decays);
                h0 = TLanes.MultiplyAdd(e0, h0, TB.Load<TLanes>(b) * u);
                h1 = TLanes.MultiplyAdd(e1, h1, TB.Load<TLanes>(b + bState) * u);
                h2 = TLanes.MultiplyAdd(e2, h2, TB.Load<TLanes>(b + (2 * bState)) * u);
                h3 = TLanes.MultiplyAdd(e3, h3, TB.Load<TLanes>(b + (3 * bState)) * u);
                y = TLanes.MultiplyAdd(TC.Load<TLanes>(c), h0, y);
                y = TLanes.MultiplyAdd(TC.Load<TLanes>(c + cState), h1, y);
                y = TLanes.MultiplyAdd(TC.Load<TLanes>(c + (2 * cState)), h2, y);
                y = TLanes.MultiplyAdd(TC.Load<TLanes>(c + (3 * cState)), h3, y);
                TLanes.Store(y, chunk.Output + i);
                h += 4 * TLanes.Count;
                decays += 4 * TLanes.Count;
                b += tile.B.TokenPitch;
                c += tile.C.TokenPitch;
            }

            StoreFour(h0, h1, h2, h3, h);
        }

        /// <summary>
        /// Computes <c>g_t = C_t·gy_t + exp(Δ_{t+1}·A)·g_{t+1}</c>, the gradient of h_t, and the others from it.
        /// </summary>
        private static void BackwardFour<TLanes>(
            in ScanTile tile, in ScanChunk chunk, Rows carry, in ScanGradientTile gradients, int n)
            where TLanes : struct, ILanes<TLanes>
        {
            // Addresses first: a call after the loop that is not inlined would spill its registers.
            float* a = tile.A[n], ga = gradients.A[n], carried = carry[n];
            nint aState = tile.A.Pitch, gaState = gradients.A.Pitch, carryState = carry.Pitch;
            TLanes a0 = TLanes.Load(a), a1 = TLanes.Load(a + aState);
            TLanes a2 = TLanes.Load(a + (2 * aState)), a3 = TLanes.Load(a + (3 * aState));
            TLanes ga0 = TLanes.Load(ga), ga1 = TLanes.Load(ga + gaState);
            TLanes ga2 = TLanes.Load(ga + (2 * gaState)), ga3 = TLanes.Load(ga + (3 * gaState));
            TLanes carry0 = TLanes.Load(carried), carry1 = TLanes.Load(carried + carryState);
            TLanes carry2 = TLanes.Load(carried + (2 * carryState)), carry3 = TLanes.Load(carried + (3 * carryState));
            int last = chunk.Length - 1;
            float* b = tile.B[last, n], c = tile.C[last, n], gb = gradients.B[last, n], gc = gradients.C[last, n];
            nint bState = tile.B.StatePitch, cState = tile.C.StatePitch;
            float* h = chunk.States + (4 * chunk.Length * TLanes.Count);
            TLanes h0 = At<TLanes>(h, 0), h1 = At<TLanes>(h, 1), h2 = At<TLanes>(h, 2), h3 = At<TLanes>(h, 3);
            for (int i = last * TLanes.Count; i >= 0; i -= TLanes.Count)
            {
                TLanes step = TLanes.Load(chunk.Delta + i), u = TLanes.Load(chunk.Input + i);
                TLanes gy = TLanes.Load(chunk.GradientOfOutput + i);
                TC.Add(gy * h0, gy * h1, gy * h2, gy * h3, gc, gradients.C.StatePitch);
                TLanes g0 = TLanes.MultiplyAdd(TC.Load<TLanes>(c), gy, carry0);
                TLanes g1 = TLanes.MultiplyAdd(TC.Load<TLanes>(c + cState), gy, carry1);
                TLanes g2 = TLanes.MultiplyAdd(TC.Load<TLanes>(c + (2 * cState)), gy, carry2);
                TLanes g3 = TLanes.MultiplyAdd(TC.Load<TLanes>(c + (3 * cState)), gy, carry3);
                TB.Add(g0 * u, g1 * u, g2 * u, g3 * u, gb, gradients.B.StatePitch);

                TLanes gInput = TLanes.Load(chunk.GradientOfInput + i);
                gInput = TLanes.MultiplyAdd(TB.Load<TLanes>(b), g0, gInput);
                gInput = TLanes.MultiplyAdd(TB.Load<TLanes>(b + bState), g1, gInput);
                gInput = TLanes.MultiplyAdd(TB.Load<TLanes>(b + (2 * bState)), g2, gInput);
                gInput = TLanes.MultiplyAdd(TB.Load<TLanes>(b + (3 * bState)), g3, gInput);
                TLanes.Store(gInput, chunk.GradientOfInput + i);

                float* decay = chunk.Decays + (4 * i);
                h = chunk.States + (4 * i);
                carry0 = g0 * At<TLanes>(decay, 0);
                carry1 = g1 * At<TLanes>(decay, 1);
                carry2 = g2 * At<TLanes>(decay, 2);
                carry3 = g3 * At<TLanes>(decay, 3);
                h0 = At<TLanes>(h, 0);
                h1 = At<TLanes>(h, 1);
                h2 = At<TLanes>(h, 2);
                h3 = At<TLanes>(h, 3);

                // The gradient of Δ·A is q = g·exp(Δ·A)·h_{t-1}.
                TLanes q0 = carry0 * h0, q1 = carry1 * h1, q2 = carry2 * h2, q3 = carry3 * h3;
                TLanes gDelta = TLanes.Load(chunk.GradientOfDelta + i);
                gDelta = TLanes.MultiplyAdd(q0, a0, gDelta);
                gDelta = TLanes.MultiplyAdd(q1, a1, gDelta);
                gDelta = TLanes.MultiplyAdd(q2, a2, gDelta);
                gDelta = TLanes.MultiplyAdd(q3, a3, gDelta);
                TLanes.Store(gDelta, chunk.GradientOfDelta + i);
                ga0 = TLanes.MultiplyAdd(q0, step, ga0);
                ga1 = TLanes.MultiplyAdd(q1, step, ga1);
                ga2 = TLanes.MultiplyAdd(q2, step, ga2);
                ga3 = TLanes.MultiplyAdd(q3, step, ga3);
                b -= tile.B.TokenPitch;
                c -= tile.C.TokenPitch;
                gb -= gradients.B.TokenPitch;
                gc -= gradients.C.TokenPitch;
            }

            TLanes.Store(ga0, ga);
            TLanes.Store(ga1, ga + gaState);
            TLanes.Store(ga2, ga + (2 * gaState));
            TLanes.Store(ga3, ga + (3 * gaState));
            TLanes.Store(carry0, carried);
            TLanes.Store(carry1, carried + carryState);
            TLanes.Store(carry2, carried + (2 * carryState));
            TLanes.Store(carry3, carried + (3 * carryState));
        }

        private static void RecomputeOne<TLanes>(in ScanTile tile, in ScanChunk chunk, Rows state, int n)
            where TLanes : struct, ILanes<TLanes>
        {
            Decay<TLanes> decay = Decay<TLanes>.Create();
            TLanes a = TLanes.Load(tile.A[n]) * TLanes.Broadcast(Log2E);
            TLanes h = TLanes.Load(state[n]);
            for (int t = 0; t < chunk.Length; t++)
            {
                int i = t * TLanes.Count;
                TLanes u = TLanes.Load(chunk.Input + i), y = TLanes.Load(chunk.Output + i);
                TLanes e = decay.Of(TLanes.Load(chunk.Delta + i) * a);
                TLanes.Store(h, chunk.States + i);
                TLanes.Store(e, chunk.Decays + i);
                h = TLanes.MultiplyAdd(e, h, TB.Load<TLanes>(tile.B[t, n]) * u);
                TLanes.Store(TLanes.MultiplyAdd(TC.Load<TLanes>(tile.C[t, n]), h, y), chunk.Output + i);
            }

            TLanes.Store(h, chunk.States + (chunk.Length * TLanes.Count));
        }

        private static void BackwardOne<TLanes>(
            in ScanTile tile, in ScanChunk chunk, Rows carry, in ScanGradientTile gradients, int n)
            where TLanes : struct, ILanes<TLanes>
        {
            TLanes a = TLanes.Load(tile.A[n]), ga = TLanes.Load(gradients.A[n]), g = TLanes.Load(carry[n]);
            for (int t = chunk.Length - 1; t >= 0; t--)
            {
                int i = t * TLanes.Count;
                TLanes step = TLanes.Load(chunk.Delta + i), u = TLanes.Load(chunk.Input + i);
                TLanes gy = TLanes.Load(chunk.GradientOfOutput + i);
                TC.Add(gy * TLanes.Load(chunk.States + i + TLanes.Count), gradients.C[t, n]);
                g = TLanes.MultiplyAdd(TC.Load<TLanes>(tile.C[t, n]), gy, g);
                TB.Add(g * u, gradients.B[t, n]);
                TLanes gInput = TLanes.Load(chunk.GradientOfInput + i), gDelta = TLanes.Load(chunk.GradientOfDelta + i);
                gInput = TLanes.MultiplyAdd(TB.Load<TLanes>(tile.B[t, n]), g, gInput);
                TLanes.Store(gInput, chunk.GradientOfInput + i);
                g *= TLanes.Load(chunk.Decays + i);
                TLanes q = g * TLanes.Load(chunk.States + i);
                TLanes.Store(TLanes.MultiplyAdd(q, a, gDelta), chunk.GradientOfDelta + i);
                ga = TLanes.MultiplyAdd(q, step, ga);
            }

            TLanes.Store(ga, gradients.A[n]);
            TLanes.Store(g, carry[n]);
        }

        private static TLanes At<TLanes>(float* source, int index)
            where TLanes : struct, ILanes<TLanes> => TLanes.Load(source + (index * TLanes.Count));

        private static void StoreFour<TLanes>(TLanes a, TLanes b, TLanes c, TLanes d, float* target)
            where TLanes : struct, ILanes<TLanes>
        {
            TLanes.Store(a, target);
            TLanes.Store(b, target + TLanes.Count);
            TLanes.Store(c, target + (2 * TLanes.Count));
            TLanes.Store(d, target + (3 * TLanes.Count));
        }
    }
}
