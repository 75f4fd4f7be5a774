using ILGPU;
using Mamba.Kernels;

namespace Mamba.Gpu.Kernels;

/// <summary>A chunk of tokens and of states on the way back, in all 48 KB of memory that a group shares.</summary>
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

    /// <summary>What a slot's states give to the gradient of Δ, [tokens, slots, lanes].</summary>
    public ArrayView<float> ToDelta { get; }

    /// <summary>h after every token, then its gradient, [tokens, slots, lanes].</summary>
    public ArrayView<Quad> States { get; }

    public static ScanBackwardChunk Allocate() => new(
        ScanChunk.Allocate(),
        SharedMemory.Allocate<float>(Values),
        SharedMemory.Allocate<float>(Values * ScanConstants.MaxSlots),
        SharedMemory.Allocate<Quad>(Values * ScanConstants.MaxSlots));

    /// <summary>Reads a chunk; a barrier must follow.</summary>
    public void Load(
        in ScanArrays scan, in ScanGradientArrays gradients, in ScanPlace place, long token, int count, int number)
    {
        Tokens.Load(scan, place, token, count, number);
        for (int t = Group.IdxY; t < count; t += Group.DimY)
        {
            float gradient = 0f;
            if (place.IsInside && gradients.Y.Exists)
            {
                gradient = gradients.Y.Load(token + t, place.Channel) * scan.GateOf(token + t, place.Channel);
            }

            OutputGradient[(t * Group.DimX) + Group.IdxX] = gradient;
        }
    }
}
