using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// <c>gP[t, s] = Σ gM[t, s]·exp(a_t - a_s)</c> over the heads of a group: the gradient of C_t·B_s. If the diagonal has
/// its own weight γ, <c>gP[t, t] = Σ γ_t·(g_t·x_t)</c>.
/// </summary>
internal readonly struct SsdPairsBackwardKernel(
    Plane plane,
    GpuChunks chunks,
    int firstChunk,
    SsdShape shape,
    SsdSums sums,
    SsdDiagonal diagonal,
    GpuRows diagonalDots,
    GpuRows gMix,
    GpuRows gPairs) : IKernel
{
    public void Run()
    {
        // Rows are (chunk, group, t), columns s.
        long row = plane.Row, s = plane.Column;
        if (!plane.Contains(row, s))
        {
            return;
        }

        int rest = (int)row / chunks.Length, t = (int)row - (rest * chunks.Length), heads = shape.Heads / shape.Groups;
        int chunk = rest / shape.Groups, group = rest - (chunk * shape.Groups);
        Quad sum = default;
        float own = 0f;
        bool isToken = t < chunks.Tokens(firstChunk + chunk);
        for (int head = group * heads; head < (group + 1) * heads; head++)
        {
            long from = ((((long)chunk * shape.Heads) + head) * chunks.Length) + t;
            sum += gMix.LoadQuad(from, s, chunks.Length) * sums.Between(firstChunk + chunk, t, (int)s, head);
            if (diagonal.Exists && isToken)
            {
                own += diagonal.Scale(chunks.Start(firstChunk + chunk) + t, head)
                    * diagonalDots.Load(((long)chunk * chunks.Length) + t, head);
            }
        }

        if (diagonal.Exists && t >= s && t < s + 4)
        {
            sum = sum.With(t - (int)s, own);
        }

        gPairs.StoreQuad(row, s, chunks.Length, sum);
    }
}

/// <summary>
/// Suffix sums over t of <c>gM[t, s]·M[t, s]</c>, the gradient of <c>a_t - a_s</c>, for s &lt; t:
/// <c>gM[j, s] ← Σ_{t ≥ j} gM[t, s]·M[t, s]</c>. A thread has four s of a head of a chunk.
/// </summary>
internal readonly struct SsdMixSumKernel(Plane plane, int length, GpuRows mix, GpuRows gMix) : IKernel
{
    public void Run()
    {
        // Rows are (chunk, head), columns s.
        long row = plane.Row, s = plane.Column;
        if (!plane.Contains(row, s))
        {
            return;
        }

        Quad sum = default;
        for (int t = length - 1; t > 0; t--)
        {
            long at = (row * length) + t;
            Quad term = mix.LoadQuad(at, s, length) * gMix.LoadQuad(at, s, length);
            sum += new Quad(
                s < t ? term.X : 0f, s + 1 < t ? term.Y : 0f, s + 2 < t ? term.Z : 0f, s + 3 < t ? term.W : 0f);
            gMix.StoreQuad(at, s, length, sum);
        }
    }
}

/// <summary>
/// <c>dots[j] = Σ_{s &lt; j} gM[j, s]</c> after <see cref="SsdMixSumKernel"/>: the gradient of token j's log decay from
/// all pairs s &lt; j ≤ t. DimX threads share a row.
/// </summary>
internal readonly struct SsdMixDotKernel(long rows, SsdShape shape, int length, GpuRows gMix, GpuRows dots) : IKernel
{
    public void Run()
    {
        // Rows are (chunk, head, j).
        long row = ((long)Grid.IdxX * Group.DimY) + Group.IdxY;
        int j = (int)(row % length);
        float sum = 0f;
        if (row < rows)
        {
            for (int s = Group.IdxX; s < j; s += Group.DimX)
            {
                sum += gMix.Load(row, s);
            }
        }

        sum = RowSum.Sum(sum);
        if (row < rows && Group.IdxX == 0)
        {
            long head = row / length;
            dots.Store((head / shape.Heads * length) + j, head % shape.Heads, sum);
        }
    }
}
