using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// How sequences are cut into chunks for the SSD, as a kernel knows it. The chunks of all sequences are counted
/// through; a chunk's tokens stand in a place of <see cref="Length"/> rows, of which those behind its last token are
/// padding.
/// </summary>
/// <param name="table">Of each chunk: its first token, its number of tokens, its sequence.</param>
/// <param name="length">Tokens of a whole chunk.</param>
internal readonly struct GpuChunks(ArrayView<int> table, int length)
{
    private const int Entry = 3;

    private readonly ArrayView<int> _table = table;

    /// <summary>Tokens of a whole chunk.</summary>
    public int Length { get; } = length;

    /// <summary>Index of a chunk's first token, counted through the whole batch.</summary>
    public int Start(int chunk) => _table[chunk * Entry];

    /// <summary>Number of tokens of a chunk.</summary>
    public int Tokens(int chunk) => _table[(chunk * Entry) + 1];

    /// <summary>The sequence that a chunk belongs to.</summary>
    public int Sequence(int chunk) => _table[(chunk * Entry) + 2];
}
