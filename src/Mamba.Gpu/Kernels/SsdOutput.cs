using Mamba.Kernels;

namespace Mamba.Gpu.Kernels;

/// <summary>D of an SSD: absent, a number for every head, or one for every channel.</summary>
internal readonly struct SsdSkip(GpuRows d, bool perChannel)
{
    private readonly int _perChannel = perChannel ? 1 : 0;

    public bool Exists => d.Exists;

    public bool IsPerChannel => _perChannel != 0;

    public float Of(int head, int channel) => d.Exists ? d.Load(0, _perChannel != 0 ? channel : head) : 0f;
}

/// <summary>
/// <c>y = (inside + exp(a_t)·across + D·x)·silu(z)</c>: what a chunk's tokens have of each other, and of the state
/// before.
/// </summary>
internal readonly struct SsdOutputKernel(
    Plane plane,
    GpuChunks chunks,
    int firstChunk,
    SsdShape shape,
    SsdSums sums,
    GpuRows inside,
    GpuRows across,
    SsdSkip d,
    GpuRows x,
    GpuRows z,
    GpuRows y) : IKernel
{
    public void Run()
    {
        long row = plane.Row;
        int column = (int)plane.Column;
        if (!plane.Contains(row, column))
        {
            return;
        }

        int index = (int)row / chunks.Length, chunk = firstChunk + index, t = (int)row - (index * chunks.Length);
        if (t >= chunks.Tokens(chunk))
        {
            return;
        }

        long token = chunks.Start(chunk) + t;
        QuadWords own = inside.LoadWords(row, column, plane.Width), before = across.LoadWords(row, column, plane.Width);
        QuadWords input = x.LoadWords(token, column, plane.Width);
        Quad gate = z.Exists ? z.LoadQuad(token, column, plane.Width) : default;
        Quad value = own.Value + (before.Value * Decays(chunk, t, column)) + (input.Value * Skips(column));
        if (z.Exists)
        {
            value *= Quad.Map<Elementwise.Silu>(gate);
        }

        y.StoreQuad(token, column, plane.Width, value);
    }

    private Quad Decays(int chunk, int t, int column) => shape.IsInOneHead(column)
        ? Quad.Broadcast(Decay(chunk, t, column))
        : new(
            Decay(chunk, t, column),
            Decay(chunk, t, column + 1),
            Decay(chunk, t, column + 2),
            Decay(chunk, t, column + 3));

    private float Decay(int chunk, int t, int column) =>
        column < plane.Width ? sums.FromStart(chunk, t, shape.HeadOf(column)) : 0f;

    private Quad Skips(int column) => d.Exists
        ? new(Skip(column), Skip(column + 1), Skip(column + 2), Skip(column + 3))
        : default;

    private float Skip(int column) => column < plane.Width ? d.Of(shape.HeadOf(column), column) : 0f;
}
