namespace Mamba.Gpu.Kernels;

/// <summary>The weight of a token's row when it is copied into chunk layout.</summary>
internal interface ISsdWeight
{
    static abstract float Of(in SsdSums sums, GpuRows delta, int chunk, int t, int length, int head);
}

/// <summary>1.</summary>
internal readonly struct Unweighted : ISsdWeight
{
    public static float Of(in SsdSums sums, GpuRows delta, int chunk, int t, int length, int head) => 1f;
}

/// <summary>Δ_t</summary>
internal readonly struct ByStep : ISsdWeight
{
    public static float Of(in SsdSums sums, GpuRows delta, int chunk, int t, int length, int head) =>
        delta.Load(((long)chunk * length) + t, head);
}

/// <summary>Δ_t·exp(a_last - a_t)</summary>
internal readonly struct ByStepToEnd : ISsdWeight
{
    public static float Of(in SsdSums sums, GpuRows delta, int chunk, int t, int length, int head) =>
        delta.Load(((long)chunk * length) + t, head) * sums.ToEnd(chunk, t, head);
}

/// <summary>
/// Copies tokens into chunk layout, times a weight of their head; padding becomes 0. The chunks from
/// <paramref name="firstChunk"/> on fill the target from its first row on.
/// </summary>
/// <param name="plane">Rows and columns of the target.</param>
/// <param name="chunks">All chunks.</param>
/// <param name="firstChunk">The first chunk to copy.</param>
/// <param name="sums">For the weights.</param>
/// <param name="delta">For the weights.</param>
/// <param name="shape">For the weights.</param>
/// <param name="source">Rows of tokens.</param>
/// <param name="target">Rows in chunk layout.</param>
internal readonly struct SsdOperandKernel<TWeight>(
    Plane plane,
    GpuChunks chunks,
    int firstChunk,
    SsdSums sums,
    GpuRows delta,
    SsdShape shape,
    GpuRows source,
    GpuRows target) : IKernel
    where TWeight : struct, ISsdWeight
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (!plane.Contains(row, column))
        {
            return;
        }

        int index = (int)row / chunks.Length, chunk = firstChunk + index, t = (int)row - (index * chunks.Length);
        Quad value = default;
        if (t < chunks.Tokens(chunk))
        {
            value = source.LoadQuad(chunks.Start(chunk) + t, column, plane.Width) * Weights(chunk, t, (int)column);
        }

        target.StoreQuad(row, column, plane.Width, value);
    }

    private Quad Weights(int chunk, int t, int column) => shape.IsInOneHead(column)
        ? Quad.Broadcast(Weight(chunk, t, column))
        : new(
            Weight(chunk, t, column),
            Weight(chunk, t, column + 1),
            Weight(chunk, t, column + 2),
            Weight(chunk, t, column + 3));

    private float Weight(int chunk, int t, int column) =>
        column < plane.Width ? TWeight.Of(sums, delta, chunk, t, chunks.Length, shape.HeadOf(column)) : 0f;
}

/// <summary>
/// <c>M[t, s] = (C_t·B_s)·exp(a_t - a_s)</c> for s ≤ t, else 0, for every head of every chunk: the diagonal block,
/// which multiplies Δ·x. If the diagonal has its own weight, M[t, t] is 0 and C_t·B_t is stored separately.
/// </summary>
internal readonly struct SsdMixKernel(
    Plane plane,
    GpuChunks chunks,
    int firstChunk,
    SsdShape shape,
    SsdSums sums,
    SsdDiagonal diagonal,
    GpuRows products,
    GpuRows mix)
    : IKernel
{
    public void Run()
    {
        // Rows are (chunk, head, t), columns s.
        long row = plane.Row, s = plane.Column;
        if (!plane.Contains(row, s))
        {
            return;
        }

        int rest = (int)row / chunks.Length, t = (int)row - (rest * chunks.Length);
        int chunk = rest / shape.Heads, head = rest - (chunk * shape.Heads);
        long from = ((((long)chunk * shape.Groups) + shape.GroupOf(head)) * chunks.Length) + t;
        Quad value = products.LoadQuad(from, s, chunks.Length);
        Quad decayed = value * sums.Between(firstChunk + chunk, t, (int)s, head);
        if (diagonal.Exists && t >= s && t < s + 4)
        {
            if (head % (shape.Heads / shape.Groups) == 0)
            {
                diagonal.Store(((long)chunk * chunks.Length) + t, shape.GroupOf(head), value.At(t - (int)s));
            }

            decayed = decayed.With(t - (int)s, 0f);
        }

        mix.StoreQuad(row, s, chunks.Length, decayed);
    }
}
