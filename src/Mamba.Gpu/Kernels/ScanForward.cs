using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary><c>h_t = exp(Δ_t·A)·h_{t-1} + Δ_t·B_t·x_t</c>, <c>y_t = (C_t·h_t + D·x_t)·silu(z_t)</c>.</summary>
/// <remarks>
/// Tokens run in order, so a sequence gives the same bits however it is split. Channels, and the states of a channel,
/// run in parallel. For each chunk, with barriers between, threads load tokens, advance their states, and add the
/// outputs of the states. The loop over tokens occurs once and is not unrolled: a compiler that contracts
/// multiplications and additions to FMAs might round each copy differently.
/// </remarks>
/// <param name="scan">The inputs.</param>
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
        ScanOutputs outputs = ScanOutputs.Allocate();
        ScanPlace place = new(scan);
        int number = 0;
        do
        {
            Advance(chunk, outputs, place, number);
            number += 4 * Group.DimY;
        }
        while (number < scan.Numbers);
    }

    /// <summary>All tokens, for the states of one pass.</summary>
    private void Advance(ScanChunk chunk, ScanOutputs outputs, ScanPlace place, int first)
    {
        int number = first + (4 * Group.IdxY), channel = place.Channel;
        Quad a = default, b = default, c = default, h = default;
        float bias = 0f, skip = 0f;
        long row = (long)scan.Sequences.Slot(place.Sequence) * scan.Numbers;
        if (place.IsInside)
        {
            a = scan.LoadA<TNumbers>(number, channel);
            h = initialState.Exists ? scan.LoadState<TNumbers>(initialState, row, number, channel) : default;
            bias = scan.DeltaBias.LoadOr(0, channel, 0f);
            skip = first == 0 ? scan.D.LoadOr(0, channel, 0f) : 0f;
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

            long token = (long)place.Start + start;
            chunk.LoadCouplings(scan, place, token, count, first);
            Load(chunk, outputs, place, token, count, bias, skip);
            Group.Barrier();
            for (int t = 0; t < count; t++)
            {
                ScanToken own = chunk.At(t);
                if (TCouplings.MayBeConstant)
                {
                    own.B = scan.HasConstantB != 0 ? b : own.B;
                    own.C = scan.HasConstantC != 0 ? c : own.C;
                }

                h = TNumbers.Times(TNumbers.Decay(a, own.Delta), h) + (own.B * own.Input);
                outputs.OfStates[ScanChunk.StateAt(t, Group.IdxY)] = (TNumbers.Reading(own.C) * h).Sum;
            }

            Group.Barrier();
            Write(outputs, place, token, count, first);
        }

        if (place.IsInside)
        {
            scan.StoreState<TNumbers>(finalState, row, number, channel, h);
        }
    }

    /// <summary>Loads Δ, x and z of a chunk.</summary>
    private void Load(
        ScanChunk chunk, ScanOutputs outputs, in ScanPlace place, long token, int count, float bias, float skip)
    {
        for (int t = Group.IdxY; t < count && place.IsInside; t += 4 * Group.DimY)
        {
            ScanFour four = new(token, t, count, place.Channel);
            Quad delta = four.Load(scan.Delta), x = four.Load(scan.X), z = four.LoadOr0(scan.Z);
            chunk.Set(four, scan.StepOf(delta + Quad.Broadcast(bias)), x);
            ScanChunk.SetFour(outputs.OfInputs, four, x * skip);
            ScanChunk.SetFour(outputs.Gates, four, scan.GateOf(z));
        }
    }

    /// <summary>Adds the outputs of the slots, and applies the gate.</summary>
    private void Write(ScanOutputs outputs, ScanPlace place, long token, int count, int first)
    {
        for (int t = Group.IdxY; t < count && place.IsInside; t += 4 * Group.DimY)
        {
            ScanFour four = new(token, t, count, place.Channel);
            Quad sum = new(
                outputs.Sum(four.Place(0)),
                outputs.Sum(four.Place(1)),
                outputs.Sum(four.Place(2)),
                outputs.Sum(four.Place(3)));
            sum *= ScanChunk.Four(outputs.Gates, four);
            if (first > 0)
            {
                sum += four.Load(y);
            }

            four.Store(y, sum);
        }
    }
}

/// <summary>The terms and the factor of a chunk's outputs, in shared memory.</summary>
internal readonly struct ScanOutputs
{
    private const int Values = ScanConstants.ChunkLength * ScanConstants.MaxLanes;

    private ScanOutputs(ArrayView<float> ofStates, ArrayView<float> ofInputs, ArrayView<float> gates)
    {
        OfStates = ofStates;
        OfInputs = ofInputs;
        Gates = gates;
    }

    /// <summary>C·h of a slot's states, [tokens, slots, lanes].</summary>
    public ArrayView<float> OfStates { get; }

    /// <summary>D·x, [tokens, lanes].</summary>
    public ArrayView<float> OfInputs { get; }

    /// <summary>The factor of the output, silu(z), [tokens, lanes].</summary>
    public ArrayView<float> Gates { get; }

    public static ScanOutputs Allocate() => new(
        SharedMemory.Allocate<float>(Values * ScanConstants.MaxSlots),
        SharedMemory.Allocate<float>(Values),
        SharedMemory.Allocate<float>(Values));

    /// <summary>A channel's output at a token, before the gate.</summary>
    public float Sum(int t)
    {
        float sum = OfInputs[ScanChunk.ValueAt(t)] + OfStates[ScanChunk.StateAt(t, 0)];
        sum += Group.DimY > 1 ? OfStates[ScanChunk.StateAt(t, 1)] : 0f;
        return Group.DimY > 2 ? sum + OfStates[ScanChunk.StateAt(t, 2)] + OfStates[ScanChunk.StateAt(t, 3)] : sum;
    }
}
