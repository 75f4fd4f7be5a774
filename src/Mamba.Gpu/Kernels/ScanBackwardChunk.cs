using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>Tokens and states of a chunk in the backward pass, in all 48 KB of shared memory.</summary>
internal readonly struct ScanBackwardChunk
{
    private const int Values = ScanConstants.ChunkLength * ScanConstants.MaxLanes;

    private ScanBackwardChunk(
        ScanChunk tokens, ArrayView<float> outputGradient, ArrayView<float> toDelta, ArrayView<Quad> states)
    {
        Tokens = tokens;
        OutputGradient = outputGradient;
        ToDelta = toDelta;
        States = states;
    }

    public ScanChunk Tokens { get; }

    /// <summary>The gradient of y before the gate, [tokens, lanes].</summary>
    public ArrayView<float> OutputGradient { get; }

    /// <summary>The part of the gradient of Δ from a slot's states, [tokens, slots, lanes].</summary>
    public ArrayView<float> ToDelta { get; }

    /// <summary>h after every token, then its gradient, [tokens, slots, lanes].</summary>
    public ArrayView<Quad> States { get; }

    public static ScanBackwardChunk Allocate() => new(
        ScanChunk.Allocate(),
        SharedMemory.Allocate<float>(Values),
        SharedMemory.Allocate<float>(Values * ScanConstants.MaxSlots),
        SharedMemory.Allocate<Quad>(Values * ScanConstants.MaxSlots));

    /// <summary>Loads a chunk; a barrier must follow.</summary>
    public void Load(
        in ScanArrays scan,
        in ScanGradientArrays gradients,
        in ScanPlace place,
        long token,
        int count,
        int number,
        float bias)
    {
        Tokens.LoadCouplings(scan, place, token, count, number);
        for (int t = Group.IdxY; t < count; t += 4 * Group.DimY)
        {
            ScanFour four = new(token, t, count, place.Channel);
            Quad delta = default, x = default, gy = default;
            if (place.IsInside)
            {
                Quad raw = four.Load(scan.Delta), z = four.LoadOr0(scan.Z);
                (x, gy) = (four.Load(scan.X), four.LoadOr0(gradients.Y));
                delta = scan.StepOf(raw + Quad.Broadcast(bias));
                gy *= scan.GateOf(z);
            }

            // Zeros for lanes without a channel, because sums over the lanes include them.
            Tokens.Set(four, delta, x);
            ScanChunk.SetFour(OutputGradient, four, gy);
        }
    }
}
