namespace Mamba.Gpu.Kernels;

/// <summary>
/// The recurrence over chunks, <c>h ← exp(a_last)·h + S</c>. A thread has four states of a channel, and iterates over
/// those chunks of its sequence that are in the current part.
/// </summary>
/// <param name="plane">Rows (sequence, head, channel), columns states.</param>
/// <param name="chunks">All chunks.</param>
/// <param name="firstChunk">First chunk of the part.</param>
/// <param name="lastChunk">End of the part: the index after its last chunk.</param>
/// <param name="firstOf">The first chunk of every sequence, and the end of the last.</param>
/// <param name="shape">Sizes.</param>
/// <param name="sums">Decays.</param>
/// <param name="initial">h before the first token of every sequence; optional.</param>
/// <param name="added">S, the chunk states of the part: what a chunk's own tokens add to the state.</param>
/// <param name="states">
/// h before each chunk and after the last of each sequence: row chunk + sequence, read and written.
/// </param>
/// <param name="before">Receives h before each chunk of the part, as a factor of a product.</param>
/// <param name="final">Receives h after each sequence; optional.</param>
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
/// The recurrence over chunks, backwards: <c>gS = g</c>, <c>g ← exp(a_last)·g + gH</c>, with g the gradient of h after
/// the chunk, and gH the gradient of h before it through the chunk's outputs.
/// </summary>
/// <param name="plane">Rows (sequence, head, channel), columns states.</param>
/// <param name="chunks">All chunks.</param>
/// <param name="firstChunk">First chunk of the part.</param>
/// <param name="lastChunk">End of the part: the index after its last chunk.</param>
/// <param name="firstOf">The first chunk of every sequence, and the end of the last.</param>
/// <param name="shape">Sizes.</param>
/// <param name="sums">Decays.</param>
/// <param name="gFinal">The gradient of h after each sequence; optional.</param>
/// <param name="asked">gH of the part's chunks; overwritten with gS.</param>
/// <param name="carry">g, passed from one part to the next: rows (sequence, head, channel).</param>
/// <param name="gInitial">The gradient of h before each sequence, added to; optional.</param>
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
