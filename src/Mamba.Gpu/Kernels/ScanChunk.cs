using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>A chunk of tokens in the memory that a group shares.</summary>
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

    /// <summary>B, [tokens, slots]; zeros where it is constant.</summary>
    public ArrayView<Quad> B { get; }

    /// <summary>C, likewise.</summary>
    public ArrayView<Quad> C { get; }

    public static ScanChunk Allocate() => new(
        SharedMemory.Allocate<float>(Values),
        SharedMemory.Allocate<float>(Values),
        SharedMemory.Allocate<Quad>(Couplings),
        SharedMemory.Allocate<Quad>(Couplings));

    /// <summary>Reads a chunk; a barrier must follow.</summary>
    /// <param name="scan">What is scanned.</param>
    /// <param name="place">This thread.</param>
    /// <param name="token">The first token.</param>
    /// <param name="count">Number of tokens.</param>
    /// <param name="number">The first number of the states at hand.</param>
    public void Load(in ScanArrays scan, in ScanPlace place, long token, int count, int number)
    {
        for (int t = Group.IdxY; t < count; t += Group.DimY)
        {
            float delta = 0f, input = 0f;
            if (place.IsInside)
            {
                delta = scan.StepOf(token + t, place.Channel);
                input = delta * scan.X.Load(token + t, place.Channel);
            }

            int i = (t * Group.DimX) + Group.IdxX;
            Delta[i] = delta;
            Input[i] = input;
        }

        long start = (long)place.Group * scan.Numbers;
        int threads = Group.DimX * Group.DimY;
        for (int i = (Group.IdxY * Group.DimX) + Group.IdxX; i < count * Group.DimY; i += threads)
        {
            int own = number + (4 * (i % Group.DimY));
            long row = token + (i / Group.DimY);
            B[i] = CouplingOf(scan.B, scan.HasConstantB, row, start + own, start + scan.Numbers);
            C[i] = CouplingOf(scan.C, scan.HasConstantC, row, start + own, start + scan.Numbers);
        }
    }

    /// <summary>What a thread needs of a token; B and C only where they are the token's own.</summary>
    public ScanToken At(int t)
    {
        int values = (t * Group.DimX) + Group.IdxX, couplings = (t * Group.DimY) + Group.IdxY;
        return new() { Delta = Delta[values], Input = Input[values], B = B[couplings], C = C[couplings] };
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

/// <summary>A token of a chunk, for a thread's channel and states.</summary>
internal struct ScanToken
{
    public float Delta;

    /// <summary>Δ·x</summary>
    public float Input;
    public Quad B;
    public Quad C;
}
