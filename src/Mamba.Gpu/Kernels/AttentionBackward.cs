using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// Gradient of the queries, for four queries of one head: with <c>p = softmax(s)</c> and <c>gp = gy·v</c>,
/// <c>gs = p·(gp - Σ p·gp)/√P</c> and <c>gq += Σ gs·k</c>.
/// </summary>
/// <param name="parts">The inputs of attention.</param>
/// <param name="heads">Heads of the queries.</param>
/// <param name="tiles">Tiles of four queries of the longest sequence.</param>
/// <param name="gy">The gradient of the outputs.</param>
/// <param name="gq">The gradient of the queries; may be absent.</param>
/// <param name="statistics">For each token and head: the maximum score, 1/Σ e^(s - maximum), Σ p·gp, 0.</param>
internal readonly struct AttentionQueryGradientKernel(
    AttentionParts parts, int heads, int tiles, GpuRows gy, GpuRows gq, GpuRows statistics) : IKernel
{
    public void Run()
    {
        AttentionTile tile = parts.Tile(heads, tiles);
        ArrayView<Quad> shared = SharedMemory.Allocate<Quad>(GroupSum.MaxThreads);
        int thread = (Group.IdxY * Group.DimX) + Group.IdxX, threads = Group.DimX * Group.DimY;
        ArrayView<Quad> queries = SharedMemory.Allocate<Quad>(AttentionParts.MaxDim);
        ArrayView<Quad> outputs = SharedMemory.Allocate<Quad>(AttentionParts.MaxDim);
        parts.StageTokens(parts.Q, tile, queries);
        parts.StageTokens(gy, tile, outputs);
        Group.Barrier();
        int keys = parts.Keys(tile);
        Quad largest = Quad.Broadcast(Exponentials.Lowest), sum = default, mean = default;
        for (int key = parts.FirstKey(tile) + thread; key < keys; key += threads)
        {
            Quad scores = Scores(queries, tile, key), before = largest;
            largest = Quad.Max(largest, scores);
            Quad shrink = Exponentials.Of(before, largest);
            Quad weights = parts.Masked(tile, key, Exponentials.Of(scores, largest), 0f);
            sum = (sum * shrink) + weights;
            mean = (mean * shrink) + (weights * parts.OfTokens(outputs, parts.V, tile, key));
        }

        Quad own = largest;
        largest = GroupSum.Max(largest);
        Quad correction = Exponentials.Of(own, largest);
        sum = GroupSum.Sum(sum * correction);
        Quad inverse = new(Inverse(sum.X), Inverse(sum.Y), Inverse(sum.Z), Inverse(sum.W));
        mean = GroupSum.Sum(mean * correction) * inverse;

        long from = (long)(tile.Head / parts.HeadsPerKey) * parts.Dim;
        QuadRows total = default;
        int block = parts.FirstKey(tile);
        do
        {
            int key = block + thread;
            Quad gradient = default;
            if (key < keys)
            {
                Quad weights = Exponentials.Of(Scores(queries, tile, key), largest) * inverse;
                gradient = weights * (parts.OfTokens(outputs, parts.V, tile, key) - mean);
                gradient = parts.Masked(tile, key, parts.Scaled(gradient), 0f);
            }

            shared[thread] = gradient;
            Group.Barrier();
            int count = AttentionParts.Smaller(threads, keys - block);
            for (int i = Group.IdxY; i < count; i += Group.DimY)
            {
                total.Add(parts.K.LoadQuad(tile, block + i, from + tile.Column, from + parts.Dim), shared[i]);
            }

            Group.Barrier();
            block += threads;
        }
        while (block < keys);

        total.SumColumns();
        if (Group.IdxY == 0 && tile.Column < parts.Dim)
        {
            Store(tile, 0, total.A, new(largest.X, inverse.X, mean.X, 0f));
            Store(tile, 1, total.B, new(largest.Y, inverse.Y, mean.Y, 0f));
            Store(tile, 2, total.C, new(largest.Z, inverse.Z, mean.Z, 0f));
            Store(tile, 3, total.D, new(largest.W, inverse.W, mean.W, 0f));
        }
    }

    /// <summary>1/x; 0 for the empty sum of a query that attends to no key.</summary>
    private static float Inverse(float x) => x > 0f ? 1f / x : 0f;

    private Quad Scores(ArrayView<Quad> queries, AttentionTile tile, int key) => parts.Masked(
        tile, key, parts.Scores(tile, key, parts.OfTokens(queries, parts.K, tile, key)), Exponentials.Lowest);

    private void Store(AttentionTile tile, int i, Quad gradient, Quad kept)
    {
        if (tile.First + i < tile.Length)
        {
            long row = AttentionParts.TokenRow(tile, i), from = (long)tile.Head * parts.Dim;
            if (gq.Exists)
            {
                gq.AddQuad(row, from + tile.Column, from + parts.Dim, gradient);
            }

            if (tile.Column == 0)
            {
                statistics.StoreQuad(row, 4 * tile.Head, 4L * heads, kept);
            }
        }
    }
}

/// <summary><c>gk += Σ gs·q</c>, <c>gv += Σ p·gy</c> of four keys of a head, over the queries that see them.</summary>
/// <param name="parts">The inputs of attention.</param>
/// <param name="heads">Heads of the keys.</param>
/// <param name="tiles">Tiles of four keys of the longest sequence with its past.</param>
/// <param name="gy">The gradient of the outputs.</param>
/// <param name="statistics">The output of <see cref="AttentionQueryGradientKernel"/>.</param>
/// <param name="gk">The gradients of the keys; either part may be absent.</param>
/// <param name="gv">The gradients of the values; either part may be absent.</param>
internal readonly struct AttentionKeyGradientKernel(
    AttentionParts parts, int heads, int tiles, GpuRows gy, GpuRows statistics, GpuPastRows gk, GpuPastRows gv)
    : IKernel
{
    public void Run()
    {
        AttentionTile tile = parts.Tile(heads, tiles);
        ArrayView<Quad> sharedWeights = SharedMemory.Allocate<Quad>(GroupSum.MaxThreads);
        ArrayView<Quad> sharedGradients = SharedMemory.Allocate<Quad>(GroupSum.MaxThreads);
        int thread = (Group.IdxY * Group.DimX) + Group.IdxX, threads = Group.DimX * Group.DimY;
        ArrayView<Quad> keys = SharedMemory.Allocate<Quad>(AttentionParts.MaxDim);
        ArrayView<Quad> values = SharedMemory.Allocate<Quad>(AttentionParts.MaxDim);
        parts.StageKeys(parts.K, tile, keys);
        parts.StageKeys(parts.V, tile, values);
        Group.Barrier();
        int firstToken = parts.FirstToken(tile), endToken = parts.Tokens(tile);
        QuadRows ofKeys = default, ofValues = default;
        int member = 0;
        do
        {
            int head = (tile.Head * parts.HeadsPerKey) + member;
            long column = ((long)head * parts.Dim) + tile.Column, end = (head + 1L) * parts.Dim;
            int block = firstToken;
            do
            {
                int token = block + thread;
                Quad weights = default, gradients = default;
                if (token < endToken)
                {
                    Quad kept = statistics.LoadQuad((long)tile.Start + token, 4 * head, 4L * heads * parts.HeadsPerKey);
                    Quad scores = parts.ScoresOf(
                        tile, token, head, parts.OfKeys(keys, parts.Q, tile, token, head));
                    weights = parts.MaskedBy(tile, token, Exponentials.Of(scores, kept.X) * kept.Y);
                    Quad products = parts.OfKeys(values, gy, tile, token, head) - Quad.Broadcast(kept.Z);
                    gradients = parts.MaskedBy(tile, token, parts.Scaled(weights * products));
                }

                sharedWeights[thread] = weights;
                sharedGradients[thread] = gradients;
                Group.Barrier();
                int count = AttentionParts.Smaller(threads, endToken - block);
                for (int i = Group.IdxY; i < count; i += Group.DimY)
                {
                    long row = (long)tile.Start + block + i;
                    ofKeys.Add(parts.Q.LoadQuad(row, column, end), sharedGradients[i]);
                    ofValues.Add(gy.LoadQuad(row, column, end), sharedWeights[i]);
                }

                Group.Barrier();
                block += threads;
            }
            while (block < endToken);
            member++;
        }
        while (member < parts.HeadsPerKey);

        ofKeys.SumColumns();
        ofValues.SumColumns();
        if (Group.IdxY == 0 && tile.Column < parts.Dim)
        {
            Add(gk, tile, ofKeys);
            Add(gv, tile, ofValues);
        }
    }

    private void Add(GpuPastRows target, AttentionTile tile, QuadRows rows)
    {
        Add(target, tile, 0, rows.A);
        Add(target, tile, 1, rows.B);
        Add(target, tile, 2, rows.C);
        Add(target, tile, 3, rows.D);
    }

    private void Add(GpuPastRows target, AttentionTile tile, int i, Quad value)
    {
        if (tile.First + i < tile.Past + tile.KeyLength)
        {
            long from = (long)tile.Head * parts.Dim;
            target.AddQuad(tile, tile.First + i, from + tile.Column, from + parts.Dim, value);
        }
    }
}
