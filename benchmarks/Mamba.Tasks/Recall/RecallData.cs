using Mamba.Models.Generation;

namespace Mamba.Tasks.Recall;

/// <summary>
/// Multi-query associative recall: keys with their values, and then the keys again, among other tokens; at each the value
/// shall be recalled.
/// </summary>
/// <remarks>
/// Arora et al., <see href="https://arxiv.org/abs/2312.04927"/>, in the layout of their generator: k₁ v₁ .. kₙ vₙ, then
/// queries at even offsets, the nearer ones the more likely, and random tokens in all places that are left.
/// </remarks>
/// <param name="Length">Tokens of a sequence.</param>
/// <param name="Pairs">Keys with values.</param>
/// <param name="Vocabulary">Number of tokens: keys come from [1, V/2), values from [V/2, V).</param>
/// <param name="Seed">Seed of all batches.</param>
internal sealed record RecallData(int Length, int Pairs, int Vocabulary, int Seed)
{
    private const double Power = 0.01;

    private readonly double[] _weights = WeightsOf(Length, Pairs, Vocabulary);

    /// <summary>Makes the batch of a number.</summary>
    public TaskBatch Batch(Split split, long number, int rows)
    {
        SplitMix64 random = Sampling.Stream((ulong)Seed, split, number);
        TaskBatch batch = new(rows, Length);
        for (int row = 0; row < rows; row++)
        {
            Write(ref random, batch.TokensOf(row), batch.TargetsOf(row));
        }

        return batch;
    }

    private void Write(ref SplitMix64 random, Span<int> tokens, Span<int> targets)
    {
        foreach (ref int token in tokens)
        {
            token = random.Below(Vocabulary);
        }

        int[] keys = random.Sorted((Vocabulary / 2) - 1, Pairs);
        random.Shuffle(keys);
        int[] gaps = random.Weighted(_weights, Pairs);
        for (int i = 0; i < Pairs; i++)
        {
            int key = 1 + keys[i], value = (Vocabulary / 2) + random.Below(Vocabulary - (Vocabulary / 2));
            int query = (2 * Pairs) + (2 * gaps[i]);
            (tokens[2 * i], tokens[(2 * i) + 1]) = (key, value);
            (tokens[query], targets[query]) = (key, value);
        }
    }

    /// <summary>How likely each even offset is: as <c>i^(a-1)</c>.</summary>
    /// <exception cref="ArgumentException">The queries, or the keys, do not fit.</exception>
    private static double[] WeightsOf(int length, int pairs, int vocabulary)
    {
        int space = (length - (2 * pairs)) / 2, keys = (vocabulary / 2) - 1;
        if (pairs > space || pairs > keys)
        {
            throw new ArgumentException(
                $"{pairs} pairs need a length of {4 * pairs} and a vocabulary of {2 * (pairs + 1)}; " +
                $"found {length} and {vocabulary}.");
        }

        return [.. Enumerable.Range(1, space).Select(i => Math.Pow(i, Power - 1))];
    }
}
