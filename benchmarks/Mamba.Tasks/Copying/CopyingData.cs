using Mamba.Models.Generation;

namespace Mamba.Tasks.Copying;

/// <summary>
/// Selective copying: data tokens are strewn among noise, and after them stands a marker for each, at which it shall be
/// repeated, in order.
/// </summary>
/// <remarks>
/// Gu and Dao, <see href="https://arxiv.org/abs/2312.00752"/>, section 4.1.1 and appendix E.1, in the form of the S4
/// repository's generator with variable positions.
/// </remarks>
/// <param name="Length">Tokens that are noise, L; the sequence has L + 2·M.</param>
/// <param name="Memorise">Data tokens, M.</param>
/// <param name="Vocabulary">Tokens, A: noise is 0, data are 1 to A - 2, the marker is A - 1.</param>
/// <param name="Seed">Seed of all batches.</param>
internal sealed record CopyingData(int Length, int Memorise, int Vocabulary, int Seed)
{
    /// <summary>The marker.</summary>
    public int Marker => Vocabulary - 1;

    /// <summary>Makes the batch of a number.</summary>
    public TaskBatch Batch(Split split, long number, int rows)
    {
        SplitMix64 random = Sampling.Stream((ulong)Seed, split, number);
        TaskBatch batch = new(rows, Length + (2 * Memorise));
        for (int row = 0; row < rows; row++)
        {
            Write(ref random, batch.TokensOf(row), batch.TargetsOf(row));
        }

        return batch;
    }

    private void Write(ref SplitMix64 random, Span<int> tokens, Span<int> targets)
    {
        int body = Length + Memorise;
        int[] positions = random.Sorted(body, Memorise);
        for (int i = 0; i < Memorise; i++)
        {
            int data = 1 + random.NextBelow(Vocabulary - 2);
            tokens[positions[i]] = data;
            tokens[body + i] = Marker;
            targets[body + i] = data;
        }
    }
}
