namespace Mamba.Operations;

/// <summary>
/// Counter-based random numbers: number i of a draw is the same on every device and in any order of computation.
/// </summary>
/// <param name="Seed">The key of the generator.</param>
/// <param name="Draw">Number of the sequence; the sequences of a seed are independent.</param>
internal readonly record struct NoiseStream(long Seed, long Draw);
