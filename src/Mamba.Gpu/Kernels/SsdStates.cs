namespace Mamba.Gpu.Kernels;

/// <summary>
/// Passes states on from chunk to chunk: <c>h ← exp(a_last)·h + S</c>. A thread has four states of a channel of a head,
/// and walks the chunks of its sequence that lie in the part that is computed at once.
/// </summary>
/// <param name="plane">Rows (sequence, head, channel), columns states.</param>
/// <param name="chunks">All chunks.</param>
/// <param name="firstChunk">First chunk of the part.</param>
/// <param name="lastChunk">The one behind the last.</param>
/// <param name="firstOf">The first chunk of every sequence, and the end of the last.</param>
/// <param name="shape">Sizes.</param>
/// <param name="sums">Decays.</param>
/// <param name="initial">h before the first token of every sequence; optional.</param>
/// <param name="added">S of the part's chunks, what their tokens bring into the state.</param>
/// <param name="states">
/// h before each chunk and behind the last of each sequence: row chunk + sequence, read and written.
/// </param>
/// <param name="before">Becomes h before each chunk of the part, for a product.</param>
/// <param name="final">Becomes h behind each sequence; optional.</param>
internal readonly struct SsdPassKernel(
    Plane plane,
    GpuChunks chunks,
    int firstChunk,
    int lastChunk,
    ILGPU.ArrayView<int> firstOf,
    SsdShape shape,
    SsdSums sums,
    GpuRows initial,
    GpuRows added,
    GpuRows states,
    GpuRows before,
    GpuRows final) : IKernel
{
    public void Run()
    {
        long row = plane.Row, n = plane.Column;
        if (!plane.Contains(row, n))
        {
            return;
        }

        int sequence = (int)row / shape.Channels, channel = (int)row - (sequence * shape.Channels);
        int head = channel / shape.HeadDim, start = firstOf[sequence], end = firstOf[sequence + 1];
        int from = start > firstChunk ? start : firstChunk, to = end < lastChunk ? end : lastChunk;
        if (from >= to)
        {
            return;
        }

        Quad h = default;
        if (from > start)
        {
            h = states.LoadQuad(RowOf(from + sequence, channel), n, shape.States);
        }
        else
        {
            if (initial.Exists)
            {
                h = initial.LoadQuad(row, n, shape.States);
            }

            states.StoreQuad(RowOf(from + sequence, channel), n, shape.States, h);
        }

        for (int chunk = from; chunk < to; chunk++)
        {
            long place = RowOf(chunk - firstChunk, channel);
            before.StoreQuad(place, n, shape.States, h);
            h = (h * sums.FromStart(chunk, chunks.Length - 1, head)) + added.LoadQuad(place, n, shape.States);
            states.StoreQuad(RowOf(chunk + sequence + 1, channel), n, shape.States, h);
        }

        if (to == end && final.Exists)
        {
            final.StoreQuad(row, n, shape.States, h);
        }
    }

    private long RowOf(int place, int channel) => ((long)place * shape.Channels) + channel;
}

/// <summary>
/// Passes gradients of states back from chunk to chunk: <c>gS = g</c>, <c>g ← exp(a_last)·g + gH</c>, g the gradient of
/// h behind the chunk, gH what its outputs ask of h before it.
/// </summary>
/// <param name="plane">Rows (sequence, head, channel), columns states.</param>
/// <param name="chunks">All chunks.</param>
/// <param name="firstChunk">First chunk of the part.</param>
/// <param name="lastChunk">The one behind the last.</param>
/// <param name="firstOf">The first chunk of every sequence, and the end of the last.</param>
/// <param name="shape">Sizes.</param>
/// <param name="sums">Decays.</param>
/// <param name="gFinal">The gradient of h behind each sequence; optional.</param>
/// <param name="asked">gH of the part's chunks; becomes gS.</param>
/// <param name="carry">g, from one part to the next: rows (sequence, head, channel).</param>
/// <param name="gInitial">What the gradient of h before each sequence is added to; optional.</param>
internal readonly struct SsdPassBackwardKernel(
    Plane plane,
    GpuChunks chunks,
    int firstChunk,
    int lastChunk,
    ILGPU.ArrayView<int> firstOf,
    SsdShape shape,
    SsdSums sums,
    GpuRows gFinal,
    GpuRows asked,
    GpuRows carry,
    GpuRows gInitial) : IKernel
{
    public void Run()
    {
        long row = plane.Row, n = plane.Column;
        if (!plane.Contains(row, n))
        {
            return;
        }

        int sequence = (int)row / shape.Channels, channel = (int)row - (sequence * shape.Channels);
        int head = channel / shape.HeadDim, start = firstOf[sequence], end = firstOf[sequence + 1];
        int from = start > firstChunk ? start : firstChunk, to = end < lastChunk ? end : lastChunk;
        if (from >= to)
        {
            return;
        }

        Quad g = default;
        if (to < end)
        {
            g = carry.LoadQuad(row, n, shape.States);
        }
        else if (gFinal.Exists)
        {
            g = gFinal.LoadQuad(row, n, shape.States);
        }

        for (int chunk = to - 1; chunk >= from; chunk--)
        {
            long place = ((long)(chunk - firstChunk) * shape.Channels) + channel;
            Quad own = asked.LoadQuad(place, n, shape.States);
            asked.StoreQuad(place, n, shape.States, g);
            g = (g * sums.FromStart(chunk, chunks.Length - 1, head)) + own;
        }

        carry.StoreQuad(row, n, shape.States, g);
        if (from == start && gInitial.Exists)
        {
            gInitial.AddQuad(row, n, shape.States, g);
        }
    }
}
