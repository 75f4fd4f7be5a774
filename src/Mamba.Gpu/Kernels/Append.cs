using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>Writes the tokens of sequences behind those that a cache holds; a thread writes four columns.</summary>
/// <param name="sequences">Where the sequences are.</param>
/// <param name="items">Tokens times fours of columns.</param>
/// <param name="lengths">Tokens that the cache holds of each sequence; anything if they are as many.</param>
/// <param name="length">Tokens that it holds of every sequence; -1 if <paramref name="lengths"/> tells.</param>
/// <param name="capacity">Rows of each sequence's cache.</param>
/// <param name="width">Columns.</param>
/// <param name="x">The tokens.</param>
/// <param name="cache">What is written.</param>
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
