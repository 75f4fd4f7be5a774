using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>A chunk of tokens in shared memory.</summary>
internal readonly struct ScanChunk
{
    private const int Values = ScanConstants.ChunkLength * ScanConstants.MaxLanes;
    private const int Couplings = ScanConstants.ChunkLength * ScanConstants.MaxSlots;

    private ScanChunk(ArrayView<float> delta, ArrayView<float> input, ArrayView<Quad> b, ArrayView<Quad> c)
    {
        Delta = delta;
        Input = input;
        B = b;
        C = c;
    }

    /// <summary>Δ, [tokens, lanes].</summary>
    public ArrayView<float> Delta { get; }

    /// <summary>Δ·x, [tokens, lanes].</summary>
    public ArrayView<float> Input { get; }

    /// <summary>B, [tokens, slots]; zeros if it is constant.</summary>
    public ArrayView<Quad> B { get; }

    /// <summary>C, [tokens, slots]; zeros if it is constant.</summary>
    public ArrayView<Quad> C { get; }

    public static ScanChunk Allocate() => new(
        SharedMemory.Allocate<float>(Values),
        SharedMemory.Allocate<float>(Values),
        SharedMemory.Allocate<Quad>(Couplings),
        SharedMemory.Allocate<Quad>(Couplings));

    /// <summary>Index of a token's number for this thread's channel.</summary>
    public static int ValueAt(int t) => (t * ScanConstants.MaxLanes) + Group.IdxX;

    /// <summary>Index of a slot's numbers for a token and this thread's channel.</summary>
    public static int StateAt(int t, int slot) =>
        (((t * ScanConstants.MaxSlots) + slot) * ScanConstants.MaxLanes) + Group.IdxX;

    /// <summary>Stores Δ and Δ·x of four tokens.</summary>
    public void Set(in ScanFour four, Quad delta, Quad x)
    {
        SetFour(Delta, four, delta);
        SetFour(Input, four, delta * x);
    }

    /// <summary>Stores a channel's numbers of four tokens; the array has room past the chunk's last token.</summary>
    public static void SetFour(ArrayView<float> values, in ScanFour four, Quad value)
    {
        values[ValueAt(four.Place(0))] = value.X;
        values[ValueAt(four.Place(1))] = value.Y;
        values[ValueAt(four.Place(2))] = value.Z;
        values[ValueAt(four.Place(3))] = value.W;
    }

    /// <summary>Loads the numbers that <see cref="SetFour"/> stored.</summary>
    public static Quad Four(ArrayView<float> values, in ScanFour four) => new(
        values[ValueAt(four.Place(0))],
        values[ValueAt(four.Place(1))],
        values[ValueAt(four.Place(2))],
        values[ValueAt(four.Place(3))]);

    /// <summary>Loads Δ and x of a chunk; a barrier must follow.</summary>
    public void LoadTokens(in ScanArrays scan, in ScanPlace place, long token, int count, float bias)
    {
        for (int t = Group.IdxY; t < count && place.IsInside; t += 4 * Group.DimY)
        {
            ScanFour four = new(token, t, count, place.Channel);
            Quad delta = four.Load(scan.Delta), x = four.Load(scan.X);
            Set(four, scan.StepOf(delta + Quad.Broadcast(bias)), x);
        }
    }

    /// <summary>Loads B and C of a chunk; a barrier must follow.</summary>
    /// <param name="scan">The scan.</param>
    /// <param name="place">This thread's channel and states.</param>
    /// <param name="token">The first token.</param>
    /// <param name="count">Number of tokens.</param>
    /// <param name="number">The first number of the states of the current pass.</param>
    public void LoadCouplings(in ScanArrays scan, in ScanPlace place, long token, int count, int number)
    {
        long start = (long)place.Group * scan.Numbers;
        int threads = Group.DimX * Group.DimY;
        for (int i = (Group.IdxY * Group.DimX) + Group.IdxX; i < count * Group.DimY; i += threads)
        {
            int t = i / Group.DimY, slot = i % Group.DimY, at = (t * ScanConstants.MaxSlots) + slot;
            int own = number + (4 * slot);
            B[at] = CouplingOf(scan.B, scan.HasConstantB, token + t, start + own, start + scan.Numbers);
            C[at] = CouplingOf(scan.C, scan.HasConstantC, token + t, start + own, start + scan.Numbers);
        }
    }

    /// <summary>The values of a token for this thread; B and C only if they differ by token.</summary>
    public ScanToken At(int t)
    {
        int value = ValueAt(t), coupling = (t * ScanConstants.MaxSlots) + Group.IdxY;
        return new() { Delta = Delta[value], Input = Input[value], B = B[coupling], C = C[coupling] };
    }

    private static Quad CouplingOf(GpuRows rows, int constant, long row, long column, long end)
    {
        if (constant != 0)
        {
            return default;
        }

        return (column & 3) == 0
            ? rows.LoadQuad(row, column, end)
            : new(
                column < end ? rows.Load(row, column) : 0f,
                column + 1 < end ? rows.Load(row, column + 1) : 0f,
                column + 2 < end ? rows.Load(row, column + 2) : 0f,
                column + 3 < end ? rows.Load(row, column + 3) : 0f);
    }
}

/// <summary>The values of a token for a thread's channel and states.</summary>
internal struct ScanToken
{
    public float Delta;

    /// <summary>Δ·x</summary>
    public float Input;
    public Quad B;
    public Quad C;
}
