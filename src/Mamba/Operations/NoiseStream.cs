namespace Mamba.Operations;

/// <summary>
/// Random numbers that are a function of their place: number i of a draw is the same on every device, wherever it is
/// computed.
/// </summary>
/// <param name="Seed">The key of the generator.</param>
/// <param name="Draw">Which of the seed's sequences.</param>
internal readonly record struct NoiseStream(long Seed, long Draw);
