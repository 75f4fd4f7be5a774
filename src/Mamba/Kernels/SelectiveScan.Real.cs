using Mamba.Simd;

namespace Mamba.Kernels;

internal static unsafe partial class SelectiveScan
{
    /// <summary>Real states, four at a time in registers over the tokens of a chunk.</summary>
    internal readonly partial struct Real<TB, TC> : IRecurrence
        where TB : struct, ICoupling
        where TC : struct, ICoupling
    {
        public static void Forward<TLanes>(in ScanTile tile, in ScanChunk chunk, Rows state)
            where TLanes : struct, ILanes<TLanes>
        {
            Decay<TLanes> decay = Decay<TLanes>.Create();
            int n = 0;
            for (; n <= tile.States - 4; n += 4)
            {
                ForwardFour<TLanes>(tile, chunk, decay, state, n);
            }

            for (; n < tile.States; n++)
            {
                ForwardOne<TLanes>(tile, chunk, decay, state, n);
            }
        }

        private static void ForwardFour<TLanes>(
            in ScanTile tile, in ScanChunk chunk, in Decay<TLanes> given, Rows state, int n)
            where TLanes : struct, ILanes<TLanes>
        {
            // exp(Δ·A) = 2^(Δ·(A·log2 e))
            Decay<TLanes> decay = given;
            // Addresses first: a call after the loop that is not inlined would spill its registers.
            TLanes log2E = TLanes.Broadcast(Log2E);
            float* a = tile.A[n], h = state[n];
            nint aState = tile.A.Pitch, hState = state.Pitch;
            TLanes a0 = TLanes.Load(a) * log2E, a1 = TLanes.Load(a + aState) * log2E;
            TLanes a2 = TLanes.Load(a + (2 * aState)) * log2E, a3 = TLanes.Load(a + (3 * aState)) * log2E;
            TLanes h0 = TLanes.Load(h), h1 = TLanes.Load(h + hState);
            TLanes h2 = TLanes.Load(h + (2 * hState)), h3 = TLanes.Load(h + (3 * hState));
            float* b = tile.B[0, n], c = tile.C[0, n];
            nint bState = tile.B.StatePitch, bToken = tile.B.TokenPitch;
            nint cState = tile.C.StatePitch, cToken = tile.C.TokenPitch;
            float* delta = chunk.Delta, input = chunk.Input, output = chunk.Output;
            for (int t = 0; t < chunk.Length; t++)
            {
                TLanes step = TLanes.Load(delta), u = TLanes.Load(input), y = TLanes.Load(output);
                h0 = TLanes.MultiplyAdd(decay.Of(step * a0), h0, TB.Load<TLanes>(b) * u);
                h1 = TLanes.MultiplyAdd(decay.Of(step * a1), h1, TB.Load<TLanes>(b + bState) * u);
                h2 = TLanes.MultiplyAdd(decay.Of(step * a2), h2, TB.Load<TLanes>(b + (2 * bState)) * u);
                h3 = TLanes.MultiplyAdd(decay.Of(step * a3), h3, TB.Load<TLanes>(b + (3 * bState)) * u);
                y = TLanes.MultiplyAdd(TC.Load<TLanes>(c), h0, y);
                y = TLanes.MultiplyAdd(TC.Load<TLanes>(c + cState), h1, y);
                y = TLanes.MultiplyAdd(TC.Load<TLanes>(c + (2 * cState)), h2, y);
                y = TLanes.MultiplyAdd(TC.Load<TLanes>(c + (3 * cState)), h3, y);
                TLanes.Store(y, output);
                delta += TLanes.Count;
                input += TLanes.Count;
                output += TLanes.Count;
                b += bToken;
                c += cToken;
            }

            TLanes.Store(h0, h);
            TLanes.Store(h1, h + hState);
            TLanes.Store(h2, h + (2 * hState));
            TLanes.Store(h3, h + (3 * hState));
        }

        private static void ForwardOne<TLanes>(
            in ScanTile tile, in ScanChunk chunk, in Decay<TLanes> given, Rows state, int n)
            where TLanes : struct, ILanes<TLanes>
        {
            Decay<TLanes> decay = given;
            TLanes a = TLanes.Load(tile.A[n]) * TLanes.Broadcast(Log2E);
            TLanes h = TLanes.Load(state[n]);
            for (int t = 0; t < chunk.Length; t++)
            {
                int i = t * TLanes.Count;
                TLanes u = TLanes.Load(chunk.Input + i), y = TLanes.Load(chunk.Output + i);
                TLanes e = decay.Of(TLanes.Load(chunk.Delta + i) * a);
                h = TLanes.MultiplyAdd(e, h, TB.Load<TLanes>(tile.B[t, n]) * u);
                TLanes.Store(TLanes.MultiplyAdd(TC.Load<TLanes>(tile.C[t, n]), h, y), chunk.Output + i);
            }

            TLanes.Store(h, state[n]);
        }
    }
}
