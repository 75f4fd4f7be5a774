using ILGPU;
using Mamba.Kernels;

namespace Mamba.Gpu.Kernels;

/// <summary>The inputs of a scan, and their division among groups: a group has some channels of a sequence.</summary>
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

    /// <summary>1 if A is given as its logarithm, else 0.</summary>
    public int IsALog;

    /// <summary>1 if B, or C in the next field, is the same for all tokens, else 0.</summary>
    public int HasConstantB;
    public int HasConstantC;
    public int Softplus;
    public int States;

    /// <summary>Numbers of a channel's state: one for each real state, two for each complex one.</summary>
    public int Numbers;
    public int Groups;
    public int GroupChannels;

    /// <summary>Tiles of a group's channels.</summary>
    public int Tiles;

    /// <summary>Δ of the recurrence, from Δ as loaded plus the bias.</summary>
    public readonly Quad StepOf(Quad raw) => Softplus != 0 ? Quad.Map<Elementwise.Softplus>(raw) : raw;

    /// <summary>The derivative of <see cref="StepOf"/>.</summary>
    public readonly Quad StepSlopeOf(Quad raw) =>
        Softplus != 0 ? Quad.Derivative<Elementwise.Softplus>(raw) : Quad.Broadcast(1f);

    /// <summary>The factor of the output, from z.</summary>
    public readonly Quad GateOf(Quad z) => Z.Exists ? Quad.Map<Elementwise.Silu>(z) : Quad.Broadcast(1f);

    /// <summary>Four numbers of a channel's A.</summary>
    public readonly Quad LoadA<TNumbers>(int number, int channel)
        where TNumbers : struct, IScanNumbers
    {
        Quad a = LoadState<TNumbers>(A, 0, number, channel);
        return IsALog != 0 ? TNumbers.FromLog(a) : a;
    }

    /// <summary>Four numbers of a channel's state, from as many rows; zeros beyond the last.</summary>
    public readonly Quad LoadState<TNumbers>(GpuRows rows, long firstRow, int number, int channel)
        where TNumbers : struct, IScanNumbers => new(
            StateOr0<TNumbers>(rows, firstRow, number, channel),
            StateOr0<TNumbers>(rows, firstRow, number + 1, channel),
            StateOr0<TNumbers>(rows, firstRow, number + 2, channel),
            StateOr0<TNumbers>(rows, firstRow, number + 3, channel));

    /// <summary>Stores the numbers that <see cref="LoadState"/> loads.</summary>
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

/// <summary>Four tokens of a chunk for one thread, as far apart as there are slots.</summary>
/// <remarks>All four are loaded before the first is used, to hide memory latency.</remarks>
/// <param name="token">The chunk's first token, counted through the whole batch.</param>
/// <param name="first">The first of the four, counted from the chunk's first.</param>
/// <param name="count">Tokens of the chunk.</param>
/// <param name="channel">The thread's channel.</param>
internal readonly struct ScanFour(long token, int first, int count, int channel)
{
    /// <summary>The i-th of the four, counted from the chunk's first.</summary>
    public int Place(int i) => first + (i * ILGPU.Group.DimY);

    /// <summary>
    /// The channel's numbers. Tokens past the end of the chunk load the first token's number, which is not used.
    /// </summary>
    public Quad Load(GpuRows rows) => new(
        rows.Load(Row(0), channel), rows.Load(Row(1), channel), rows.Load(Row(2), channel), rows.Load(Row(3), channel));

    /// <summary>The same as <see cref="Load"/>; zeros if the array is absent.</summary>
    public Quad LoadOr0(GpuRows rows) => rows.Exists ? Load(rows) : default;

    /// <summary>Stores the numbers of the tokens within the chunk.</summary>
    public void Store(GpuRows rows, Quad value)
    {
        rows.Store(Row(0), channel, value.X);
        StoreIfThere(rows, 1, value.Y);
        StoreIfThere(rows, 2, value.Z);
        StoreIfThere(rows, 3, value.W);
    }

    /// <summary>The sum of the numbers of the tokens within the chunk.</summary>
    public float Sum(Quad value) =>
        value.X + OrNone(1, value.Y) + OrNone(2, value.Z) + OrNone(3, value.W);

    private long Row(int i) => token + (Place(i) < count ? Place(i) : first);

    private float OrNone(int i, float value) => Place(i) < count ? value : 0f;

    private void StoreIfThere(GpuRows rows, int i, float value)
    {
        if (Place(i) < count)
        {
            rows.Store(token + Place(i), channel, value);
        }
    }
}

/// <summary>A thread's channel and states in a scan.</summary>
/// <remarks>
/// Lanes, along x, are neighbouring channels. Slots, along y, divide a channel's states, and its tokens in work that
/// is done once for each.
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

    /// <summary>Whether the group has such a channel.</summary>
    public bool IsInside { get; }

    /// <summary>The sequence's first token.</summary>
    public int Start { get; }

    public int Length { get; }
}
