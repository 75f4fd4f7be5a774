using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>The gradients of a scan, with <c>g_t = C_t·gy_t + exp(Δ_{t+1}·A)·g_{t+1}</c>, that of h_t.</summary>
/// <remarks>
/// Chunks run from the last to the first. The states of a chunk are recomputed from the checkpoint before it, into
/// shared memory. Then g runs over the chunk from its end and replaces h there. Sums over lanes and slots read shared
/// memory in a fixed order.
/// </remarks>
internal readonly partial struct ScanBackwardKernel<TNumbers, TCouplings>(
    ScanArrays scan, GpuRows checkpoints, ScanGradientArrays gradients) : IKernel
    where TNumbers : struct, IScanNumbers
    where TCouplings : struct, IScanCouplings
{
    private const int ChunkLength = ScanConstants.ChunkLength;

    public void Run()
    {
        ScanPlace place = new(scan);
        ScanBackwardChunk chunk = ScanBackwardChunk.Allocate();
        float gd = 0f, gbias = 0f;
        int number = 0;
        do
        {
            // Every gradient except those of the states is a sum over the states, so passes add to it.
            GoBack(chunk, place, number, ref gd, ref gbias);
            number += 4 * Group.DimY;
        }
        while (number < scan.Numbers);

        AddSlots(chunk, place, gradients.D, gd);
        AddSlots(chunk, place, gradients.DeltaBias, gbias);
    }

    /// <summary>All chunks, for the states of one pass.</summary>
    private void GoBack(ScanBackwardChunk chunk, ScanPlace place, int first, ref float gd, ref float gbias)
    {
        int number = first + (4 * Group.IdxY), channel = place.Channel;
        Quad a = default, b = default, c = default, carry = default;
        Quad ga = default, gb = default, gc = default;
        float bias = 0f, skip = 0f;
        long row = (long)place.Sequence * scan.Numbers;
        if (place.IsInside)
        {
            bias = scan.DeltaBias.LoadOr(0, channel, 0f);
            skip = first == 0 ? scan.D.LoadOr(0, channel, 0f) : 0f;
            a = scan.LoadA<TNumbers>(number, channel);
            carry = gradients.FinalState.Exists
                ? scan.LoadState<TNumbers>(gradients.FinalState, row, number, channel)
                : default;
        }

        if (TCouplings.MayBeConstant && place.IsInside)
        {
            b = scan.HasConstantB != 0 ? scan.LoadState<TNumbers>(scan.B, 0, number, channel) : default;
            c = scan.HasConstantC != 0 ? scan.LoadState<TNumbers>(scan.C, 0, number, channel) : default;
        }

        int chunks = (place.Length + ChunkLength - 1) / ChunkLength;
        long checkpoint = (place.Start / ChunkLength) + place.Sequence;
        for (int i = chunks - 1; i >= 0; i--)
        {
            int start = i * ChunkLength;
            int count = place.Length - start < ChunkLength ? place.Length - start : ChunkLength;
            long token = (long)place.Start + start;
            Quad before = place.IsInside
                ? scan.LoadState<TNumbers>(checkpoints, (checkpoint + i) * scan.Numbers, number, channel)
                : default;
            chunk.Load(scan, gradients, place, token, count, first, bias);
            Group.Barrier();
            Recompute(chunk, count, a, b, before);
            Group.Barrier();
            OfOutput(chunk, place, token, count, first, skip);
            Group.Barrier();
            for (int t = count - 1; t >= 0; t--)
            {
                ScanToken own = chunk.Tokens.At(t);
                int here = ScanChunk.StateAt(t, Group.IdxY);
                Quad h = chunk.States[here], last = before;
                if (t > 0)
                {
                    last = chunk.States[ScanChunk.StateAt(t - 1, Group.IdxY)];
                }

                float gy = chunk.OutputGradient[ScanChunk.ValueAt(t)];
                if (TCouplings.MayBeConstant)
                {
                    own.C = scan.HasConstantC != 0 ? c : own.C;
                    gc += TNumbers.Reading(h) * gy;
                }

                Quad g = carry + (TNumbers.Reading(own.C) * gy);
                carry = TNumbers.ConjugateTimes(TNumbers.Decay(a, own.Delta), g);
                Quad exponent = TNumbers.ConjugateTimes(last, carry); // the gradient of Δ·A
                ga += exponent * own.Delta;
                if (TCouplings.MayBeConstant)
                {
                    gb += g * own.Input;
                }

                chunk.States[here] = g;
                chunk.ToDelta[here] = (exponent * a).Sum;
            }

            Group.Barrier();
            OfInput(chunk, place, token, count, first, bias, skip, ref gd, ref gbias);
            Group.Barrier();
        }

        if (place.IsInside)
        {
            if (gradients.A.Exists)
            {
                scan.StoreState<TNumbers>(gradients.A, row, number, channel, ga);
            }

            if (TCouplings.MayBeConstant && scan.HasConstantB != 0 && gradients.B.Exists)
            {
                scan.StoreState<TNumbers>(gradients.B, row, number, channel, gb);
            }

            if (TCouplings.MayBeConstant && scan.HasConstantC != 0 && gradients.C.Exists)
            {
                scan.StoreState<TNumbers>(gradients.C, row, number, channel, gc);
            }

            if (gradients.InitialState.Exists)
            {
                Quad sum = carry + scan.LoadState<TNumbers>(gradients.InitialState, row, number, channel);
                scan.StoreState<TNumbers>(gradients.InitialState, row, number, channel, sum);
            }
        }
    }

    /// <summary>Computes h after every token of a chunk.</summary>
    private void Recompute(ScanBackwardChunk chunk, int count, Quad a, Quad b, Quad h)
    {
        for (int t = 0; t < count; t++)
        {
            ScanToken token = chunk.Tokens.At(t);
            if (TCouplings.MayBeConstant)
            {
                token.B = scan.HasConstantB != 0 ? b : token.B;
            }

            h = TNumbers.Times(TNumbers.Decay(a, token.Delta), h) + (token.B * token.Input);
            chunk.States[ScanChunk.StateAt(t, Group.IdxY)] = h;
        }
    }
}
