namespace Mamba.Gpu.Kernels;

/// <summary>
/// Gradient of the mask, <c>Σ p·(gp - Σ p·gp)</c> over all sequences, and over all heads if they share the mask. Each
/// thread computes four keys of a row.
/// </summary>
/// <param name="plane">The rows of the mask, [mask heads, queries].</param>
/// <param name="parts">The inputs of attention.</param>
/// <param name="heads">Heads of the queries.</param>
/// <param name="maskHeads">Heads of the mask: those of the queries, or 1.</param>
/// <param name="gy">The gradient of the outputs.</param>
/// <param name="statistics">The output of <see cref="AttentionQueryGradientKernel"/>.</param>
/// <param name="gMask">The gradient of the mask.</param>
internal readonly struct AttentionMaskGradientKernel(
    Plane plane, AttentionParts parts, int heads, int maskHeads, GpuRows gy, GpuRows statistics, GpuRows gMask)
    : IKernel
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (!plane.Contains(row, column))
        {
            return;
        }

        Quad sum = default;
        int queries = parts.Sequences.Length(0), part = (int)(row / queries), token = (int)(row - (part * queries));
        int first = maskHeads == 1 ? 0 : part, end = maskHeads == 1 ? heads : part + 1;
        for (int sequence = 0; sequence < parts.Sequences.Count; sequence++)
        {
            for (int head = first; head < end; head++)
            {
                AttentionTile tile = parts.KeyTile(sequence, head / parts.HeadsPerKey, (int)column);
                if (column < tile.KeyLength)
                {
                    Quad kept = statistics.LoadQuad((long)tile.Start + token, 4 * head, 4L * heads);
                    Quad scores = parts.ScoresOf(tile, token, head, parts.OfRow(parts.Q, parts.K, tile, token, head));
                    Quad weights = Exponentials.Of(scores, kept.X) * kept.Y;
                    Quad products = parts.OfRow(gy, parts.V, tile, token, head) - Quad.Broadcast(kept.Z);
                    sum += parts.MaskedBy(tile, token, weights * products).Take(tile.KeyLength - column, 0f);
                }
            }
        }

        gMask.AddQuad(row, column, plane.Width, sum);
    }
}
