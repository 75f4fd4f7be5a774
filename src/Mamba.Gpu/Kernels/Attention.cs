using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// <c>y = softmax(q·k/√P)·v</c> of four queries of one head, block by block of keys, with a running maximum.
/// </summary>
/// <remarks>Milakov and Gimelshein, arXiv:1805.02867; Dao et al., arXiv:2205.14135.</remarks>
internal readonly struct AttentionKernel(AttentionParts parts, int heads, int tiles, GpuRows y) : IKernel
{
    public void Run()
    {
        AttentionTile tile = parts.Tile(heads, tiles);
        ArrayView<Quad> shared = SharedMemory.Allocate<Quad>(GroupSum.MaxThreads);
        int thread = (Group.IdxY * Group.DimX) + Group.IdxX, threads = Group.DimX * Group.DimY;
        ArrayView<Quad> queries = SharedMemory.Allocate<Quad>(AttentionParts.MaxDim);
        parts.StageTokens(parts.Q, tile, queries);
        Group.Barrier();
        int keys = parts.Keys(tile);
        long values = (long)(tile.Head / parts.HeadsPerKey) * parts.Dim;
        Quad largest = Quad.Broadcast(Exponentials.Lowest), sum = default;
        QuadRows total = default;
        int block = parts.FirstKey(tile);
        do
        {
            int key = block + thread;
            Quad scores = Quad.Broadcast(Exponentials.Lowest);
            if (key < keys)
            {
                scores = parts.Masked(
                    tile,
                    key,
                    parts.Scores(tile, key, parts.OfTokens(queries, parts.K, tile, key)),
                    Exponentials.Lowest);
            }

            Quad before = largest;
            largest = Quad.Max(largest, GroupSum.Max(scores));
            Quad shrink = Exponentials.Of(before, largest);
            Quad weights = key < keys
                ? parts.Masked(tile, key, Exponentials.Of(scores, largest), 0f)
                : Quad.Broadcast(0f);
            sum = (sum * shrink) + weights;
            total.Scale(shrink);
            shared[thread] = weights;
            Group.Barrier();
            int count = AttentionParts.Smaller(threads, keys - block);
            for (int i = Group.IdxY; i < count; i += Group.DimY)
            {
                total.Add(
                    parts.V.LoadQuad(tile, block + i, values + tile.Column, values + parts.Dim), shared[i]);
            }

            Group.Barrier();
            block += threads;
        }
        while (block < keys);

        sum = GroupSum.Sum(sum);
        total.SumColumns();
        if (Group.IdxY == 0 && tile.Column < parts.Dim)
        {
            Store(tile, 0, total.A, sum.X);
            Store(tile, 1, total.B, sum.Y);
            Store(tile, 2, total.C, sum.Z);
            Store(tile, 3, total.D, sum.W);
        }
    }

    private void Store(AttentionTile tile, int i, Quad value, float sum)
    {
        if (tile.First + i < tile.Length)
        {
            long row = AttentionParts.TokenRow(tile, i), from = (long)tile.Head * parts.Dim;
            float inverse = sum > 0f ? 1f / sum : 0f; // 0: the query attends to no key
            y.StoreQuad(row, from + tile.Column, from + parts.Dim, value * inverse);
        }
    }
}
