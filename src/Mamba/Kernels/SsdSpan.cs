namespace Mamba.Kernels;

/// <summary>Consecutive chunks of one sequence.</summary>
/// <param name="First">The first chunk, counted in the sequence.</param>
/// <param name="End">The chunk after the last.</param>
/// <param name="ChunkLength">Tokens of every chunk but the sequence's last.</param>
/// <param name="Length">Tokens of the sequence.</param>
internal readonly record struct SsdSpan(int First, int End, int ChunkLength, int Length)
{
    /// <summary>A chunk's first token, counted in the sequence.</summary>
    public int Start(int chunk) => chunk * ChunkLength;

    /// <summary>Number of a chunk's tokens.</summary>
    public int Tokens(int chunk) => Math.Min(ChunkLength, Length - Start(chunk));
}
