using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// The chunks of all sequences for the SSD, numbered through the batch. In chunk layout each chunk has
/// <see cref="Length"/> rows, one per token; the rows after its last token are padding.
/// </summary>
/// <param name="table">For each chunk: its first token, its number of tokens, its sequence.</param>
/// <param name="length">Tokens of a full chunk.</param>
internal readonly struct GpuChunks(ArrayView<int> table, int length)
{
    private const int Entry = 3;

    private readonly ArrayView<int> _table = table;

    /// <summary>Tokens of a full chunk.</summary>
    public int Length { get; } = length;

    /// <summary>Index of a chunk's first token in the whole batch.</summary>
    public int Start(int chunk) => _table[chunk * Entry];

    /// <summary>Number of tokens of a chunk.</summary>
    public int Tokens(int chunk) => _table[(chunk * Entry) + 1];

    /// <summary>The sequence of a chunk.</summary>
    public int Sequence(int chunk) => _table[(chunk * Entry) + 2];
}
