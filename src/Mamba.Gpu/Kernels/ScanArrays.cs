using ILGPU;
using Mamba.Kernels;
using Mamba.Simd;

namespace Mamba.Gpu.Kernels;

/// <summary>What a scan is computed from, and how it is shared out: a group has some channels of a sequence.</summary>
internal struct ScanArrays
{
    public GpuRows X;
    public GpuRows Delta;
    public GpuRows A;
    public GpuRows B;
    public GpuRows C;
    public GpuRows D;
    public GpuRows Z;
    public GpuRows DeltaBias;
    public GpuSequences Sequences;

    /// <summary>1 where B is the same for all tokens, else 0; the next likewise.</summary>
    public int HasConstantB;
    public int HasConstantC;
    public int Softplus;
    public int States;

    /// <summary>Numbers of a channel's state: two for each that is complex.</summary>
    public int Numbers;
    public int Groups;
    public int GroupChannels;

    /// <summary>Tiles of a group's channels.</summary>
    public int Tiles;

    /// <summary>Δ as the recurrence has it.</summary>
    public readonly float StepOf(long token, int channel)
    {
        float delta = RawStepOf(token, channel);
        return Softplus != 0 ? LaneMath.Softplus(new GpuLane(delta)).Value : delta;
    }

    /// <summary>The derivative of <see cref="StepOf"/>.</summary>
    public readonly float StepSlopeOf(long token, int channel) =>
        Softplus != 0 ? LaneMath.Sigmoid(new GpuLane(RawStepOf(token, channel))).Value : 1f;

    /// <summary>What the output is multiplied by.</summary>
    public readonly float GateOf(long token, int channel) =>
        Z.Exists ? Quad.Of<Elementwise.Silu>(Z.Load(token, channel)) : 1f;

    private readonly float RawStepOf(long token, int channel) =>
        Delta.Load(token, channel) + DeltaBias.LoadOr(0, channel, 0f);

    /// <summary>Four numbers of a state of a channel, which stand in rows; zeros beyond the last.</summary>
    public readonly Quad LoadState<TNumbers>(GpuRows rows, long firstRow, int number, int channel)
        where TNumbers : struct, IScanNumbers => new(
            StateOr0<TNumbers>(rows, firstRow, number, channel),
            StateOr0<TNumbers>(rows, firstRow, number + 1, channel),
            StateOr0<TNumbers>(rows, firstRow, number + 2, channel),
            StateOr0<TNumbers>(rows, firstRow, number + 3, channel));

    /// <summary>Sets the numbers that <see cref="LoadState"/> reads.</summary>
    public readonly void StoreState<TNumbers>(GpuRows rows, long firstRow, int number, int channel, Quad value)
        where TNumbers : struct, IScanNumbers
    {
        StoreIfThere<TNumbers>(rows, firstRow, number, channel, value.X);
        StoreIfThere<TNumbers>(rows, firstRow, number + 1, channel, value.Y);
        StoreIfThere<TNumbers>(rows, firstRow, number + 2, channel, value.Z);
        StoreIfThere<TNumbers>(rows, firstRow, number + 3, channel, value.W);
    }

    private readonly float StateOr0<TNumbers>(GpuRows rows, long firstRow, int number, int channel)
        where TNumbers : struct, IScanNumbers =>
        number < Numbers ? rows.Load(firstRow + TNumbers.RowOf(number, States), channel) : 0f;

    private readonly void StoreIfThere<TNumbers>(GpuRows rows, long firstRow, int number, int channel, float value)
        where TNumbers : struct, IScanNumbers
    {
        if (number < Numbers)
        {
            rows.Store(firstRow + TNumbers.RowOf(number, States), channel, value);
        }
    }
}

/// <summary>A thread's place in a scan.</summary>
/// <remarks>
/// Lanes, along x, are neighbouring channels. Slots, along y, share a channel's states, and its tokens where there is
/// something to do for each.
/// </remarks>
internal readonly struct ScanPlace
{
    public ScanPlace(in ScanArrays scan)
    {
        int row = Grid.IdxX / scan.Tiles;
        Tile = Grid.IdxX % scan.Tiles;
        Sequence = row / scan.Groups;
        Group = row % scan.Groups;
        int inGroup = (Tile * ILGPU.Group.DimX) + ILGPU.Group.IdxX;
        Channel = (Group * scan.GroupChannels) + inGroup;
        IsInside = inGroup < scan.GroupChannels;
        Start = scan.Sequences.Start(Sequence);
        Length = scan.Sequences.Length(Sequence);
    }

    public int Sequence { get; }

    public int Group { get; }

    public int Tile { get; }

    public int Channel { get; }

    /// <summary>Whether there is such a channel in the group.</summary>
    public bool IsInside { get; }

    /// <summary>The sequence's first token.</summary>
    public int Start { get; }

    public int Length { get; }
}
