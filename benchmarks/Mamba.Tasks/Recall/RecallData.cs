using Mamba.Models.Generation;

namespace Mamba.Tasks.Recall;

/// <summary>
/// Multi-query associative recall: keys with their values, and then the keys again, among other tokens; at each the
/// value shall be recalled.
/// </summary>
/// <remarks>
/// Arora et al., <see href="https://arxiv.org/abs/2312.04927"/>, in the layout of their generator: k₁ v₁ .. kₙ vₙ, then
/// queries at even offsets, the nearer ones the more likely, and random tokens in all places that are left. Training
/// goes in turn through an eighth, a quarter, half and all of the pairs, as Dao and Gu do
/// (<see href="https://arxiv.org/abs/2405.21060"/>, appendix D.1), who take thousands of batches of each at a time.
/// </remarks>
/// <param name="Length">Tokens of a sequence.</param>
/// <param name="Pairs">Keys with values, in tests.</param>
/// <param name="Vocabulary">Number of tokens: keys come from [1, V/2), values from [V/2, V).</param>
/// <param name="Seed">Seed of all batches.</param>
internal sealed record RecallData(int Length, int Pairs, int Vocabulary, int Seed)
{
    private const double Power = 0.01;
    private const int Stages = 4;

    private readonly double[] _weights = WeightsOf(Length, Pairs, Vocabulary);

    /// <summary>Makes the batch of a number.</summary>
    public TaskBatch Batch(Split split, long number, int rows)
    {
        SplitMix64 random = Sampling.Stream((ulong)Seed, split, number);
        int pairs = split == Split.Training ? Math.Max(Pairs >> (int)(number % Stages), 1) : Pairs;
        TaskBatch batch = new(rows, Length);
        for (int row = 0; row < rows; row++)
        {
            Write(ref random, pairs, batch.TokensOf(row), batch.TargetsOf(row));
        }

        return batch;
    }

    private void Write(ref SplitMix64 random, int pairs, Span<int> tokens, Span<int> targets)
    {
        foreach (ref int token in tokens)
        {
            token = random.NextBelow(Vocabulary);
        }

        int[] keys = random.Sorted((Vocabulary / 2) - 1, pairs);
        random.Shuffle(keys);
        int[] gaps = random.Weighted(_weights.AsSpan(0, SpaceOf(Length, pairs)), pairs);
        for (int i = 0; i < pairs; i++)
        {
            int key = 1 + keys[i], value = (Vocabulary / 2) + random.NextBelow(Vocabulary - (Vocabulary / 2));
            int query = (2 * pairs) + (2 * gaps[i]);
            (tokens[2 * i], tokens[(2 * i) + 1]) = (key, value);
            (tokens[query], targets[query]) = (key, value);
        }
    }

    /// <summary>How likely each even offset is, up to a factor: as <c>i^(a-1)</c>.</summary>
    /// <exception cref="ArgumentException">The queries, or the keys, do not fit.</exception>
    private static double[] WeightsOf(int length, int pairs, int vocabulary)
    {
        if (pairs > SpaceOf(length, pairs) || pairs > (vocabulary / 2) - 1)
        {
            throw new ArgumentException(
                $"{pairs} pairs need a length of {4 * pairs} and a vocabulary of {2 * (pairs + 1)}; " +
                $"found {length} and {vocabulary}.");
        }

        return [.. Enumerable.Range(1, length / 2).Select(i => Math.Pow(i, Power - 1))];
    }

    /// <summary>Even offsets behind the pairs.</summary>
    private static int SpaceOf(int length, int pairs) => (length - (2 * pairs)) / 2;
}
