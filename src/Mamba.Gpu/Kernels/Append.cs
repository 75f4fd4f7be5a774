using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>Appends the tokens of sequences to a cache. A thread writes four columns.</summary>
/// <param name="sequences">The sequences of the tokens.</param>
/// <param name="items">Number of tokens times quads of columns.</param>
/// <param name="lengths">Cached tokens of each sequence; not read if <paramref name="length"/> is not -1.</param>
/// <param name="length">Cached tokens of every sequence; -1 if they differ.</param>
/// <param name="capacity">Rows of each sequence's cache.</param>
/// <param name="width">Columns.</param>
/// <param name="x">The tokens.</param>
/// <param name="cache">The cache; written to.</param>
internal readonly struct AppendKernel(
    GpuSequences sequences,
    long items,
    ArrayView<int> lengths,
    int length,
    int capacity,
    int width,
    GpuRows x,
    GpuRows cache)
    : IKernel
{
    public void Run()
    {
        int perToken = (width + 3) / 4;
        long item = ((long)Grid.IdxX * Group.DimX) + Group.IdxX, token = item / perToken;
        if (item >= items)
        {
            return;
        }

        long column = 4 * (item - (token * perToken));
        int sequence = sequences.Of((int)token);
        long row = ((long)sequences.Slot(sequence) * capacity) + (length >= 0 ? length : lengths[sequence])
            + token - sequences.Start(sequence);
        cache.StoreQuad(row, column, width, x.LoadQuad(token, column, width));
    }
}
