using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary><c>h_t = exp(Δ_t·A)·h_{t-1} + Δ_t·B_t·x_t</c>, <c>y_t = (C_t·h_t + D·x_t)·silu(z_t)</c>.</summary>
/// <remarks>
/// Time is gone through in order, so that a sequence gives the same bits however it is cut; what runs side by side are
/// channels, and the states of a channel. For each chunk, with barriers between, threads fetch tokens, advance their
/// states, and add up what the states give. The loop over tokens stands here once and is not unrolled: a compiler that
/// fuses multiplications with additions might round each copy in its own way.
/// </remarks>
/// <param name="scan">What is scanned.</param>
/// <param name="initialState">h before the first token; optional.</param>
/// <param name="y">The output.</param>
/// <param name="finalState">h after the last token; may be the initial state.</param>
/// <param name="checkpoints">h before every chunk; optional.</param>
internal readonly struct ScanForwardKernel<TNumbers, TCouplings>(
    ScanArrays scan, GpuRows initialState, GpuRows y, GpuRows finalState, GpuRows checkpoints) : IKernel
    where TNumbers : struct, IScanNumbers
    where TCouplings : struct, IScanCouplings
{
    private const int ChunkLength = ScanConstants.ChunkLength;

    public void Run()
    {
        ScanChunk chunk = ScanChunk.Allocate();
        ArrayView<float> outputs =
            SharedMemory.Allocate<float>(ChunkLength * ScanConstants.MaxLanes * ScanConstants.MaxSlots);
        ScanPlace place = new(scan);
        int number = 0;
        do
        {
            Advance(chunk, outputs, place, number);
            number += 4 * Group.DimY;
        }
        while (number < scan.Numbers);
    }

    /// <summary>All tokens, for the states that the slots hold at a time.</summary>
    private void Advance(ScanChunk chunk, ArrayView<float> outputs, ScanPlace place, int first)
    {
        int number = first + (4 * Group.IdxY), channel = place.Channel;
        Quad a = default, b = default, c = default, h = default;
        long row = (long)place.Sequence * scan.Numbers;
        if (place.IsInside)
        {
            a = scan.LoadState<TNumbers>(scan.A, 0, number, channel);
            h = initialState.Exists ? scan.LoadState<TNumbers>(initialState, row, number, channel) : default;
        }

        if (TCouplings.MayBeConstant && place.IsInside)
        {
            b = scan.HasConstantB != 0 ? scan.LoadState<TNumbers>(scan.B, 0, number, channel) : default;
            c = scan.HasConstantC != 0 ? scan.LoadState<TNumbers>(scan.C, 0, number, channel) : default;
        }

        long checkpoint = ((place.Start / ChunkLength) + place.Sequence) * (long)scan.Numbers;
        for (int start = 0; start < place.Length; start += ChunkLength)
        {
            int count = place.Length - start < ChunkLength ? place.Length - start : ChunkLength;
            if (checkpoints.Exists && place.IsInside)
            {
                scan.StoreState<TNumbers>(checkpoints, checkpoint, number, channel, h);
                checkpoint += scan.Numbers;
            }

            chunk.Load(scan, place, (long)place.Start + start, count, first);
            Group.Barrier();
            ScanToken next = chunk.At(0); // one token ahead, for memory answers late
            for (int t = 0; t < count; t++)
            {
                ScanToken token = next;
                next = chunk.At(t + 1 < count ? t + 1 : t);
                if (TCouplings.MayBeConstant)
                {
                    token.B = scan.HasConstantB != 0 ? b : token.B;
                    token.C = scan.HasConstantC != 0 ? c : token.C;
                }

                h = TNumbers.Times(TNumbers.Decay(a, token.Delta), h) + (token.B * token.Input);
                int own = (((t * Group.DimY) + Group.IdxY) * Group.DimX) + Group.IdxX;
                outputs[own] = (TNumbers.Reading(token.C) * h).Sum;
            }

            Group.Barrier();
            Write(outputs, place, start, count, first);
        }

        if (place.IsInside)
        {
            scan.StoreState<TNumbers>(finalState, row, number, channel, h);
        }
    }

    /// <summary>Adds up what the slots give, and closes the gate.</summary>
    private void Write(ArrayView<float> outputs, ScanPlace place, int start, int count, int first)
    {
        for (int t = Group.IdxY; t < count && place.IsInside; t += Group.DimY)
        {
            long token = (long)place.Start + start + t;
            float sum = first == 0 ? scan.D.LoadOr(0, place.Channel, 0f) * scan.X.Load(token, place.Channel) : 0f;
            for (int slot = 0; slot < Group.DimY; slot++)
            {
                sum += outputs[(((t * Group.DimY) + slot) * Group.DimX) + Group.IdxX];
            }

            sum *= scan.GateOf(token, place.Channel);
            if (first == 0)
            {
                y.Store(token, place.Channel, sum);
            }
            else
            {
                y.Add(token, place.Channel, sum);
            }
        }
    }
}
