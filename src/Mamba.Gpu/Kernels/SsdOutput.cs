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
/// <c>y = (inside + exp(a_t)·across + D·x)·silu(z)</c>: what a chunk's tokens have of each other, and of the state before.
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
        long row = plane.Row, column = plane.Column;
        if (!plane.Contains(row, column))
        {
            return;
        }

        int chunk = firstChunk + (int)(row / chunks.Length), t = (int)(row % chunks.Length);
        if (t >= chunks.Tokens(chunk))
        {
            return;
        }

        long token = chunks.Start(chunk) + t;
        Quad value = inside.LoadQuad(row, column, plane.Width)
            + (across.LoadQuad(row, column, plane.Width) * new Quad(
                Decay(chunk, t, column),
                Decay(chunk, t, column + 1),
                Decay(chunk, t, column + 2),
                Decay(chunk, t, column + 3)))
            + (x.LoadQuad(token, column, plane.Width) * new Quad(
                Skip(column), Skip(column + 1), Skip(column + 2), Skip(column + 3)));
        if (z.Exists)
        {
            value *= Quad.Map<Elementwise.Silu>(z.LoadQuad(token, column, plane.Width));
        }

        y.StoreQuad(token, column, plane.Width, value);
    }

    private float Decay(int chunk, int t, long column) =>
        column < plane.Width ? sums.FromStart(chunk, t, (int)column / shape.HeadDim) : 0f;

    private float Skip(long column) => column < plane.Width ? d.Of((int)column / shape.HeadDim, (int)column) : 0f;
}
