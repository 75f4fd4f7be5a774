using Mamba.Models.Generation;

namespace Mamba.Tasks.Induction;

/// <summary>Induction heads: when the trigger comes again, the value that followed it shall be recalled.</summary>
/// <remarks>
/// Gu and Dao, <see href="https://arxiv.org/abs/2312.00752"/>, section 4.1.2 and appendix E.1. There, as with two
/// triggers here, it occurs once before the end, and the only question is the last token. With more, each but the first
/// is a question, and a model learns in fewer steps, but keeps the value for less time.
/// </remarks>
/// <param name="Vocabulary">Number of tokens, the trigger included.</param>
/// <param name="Triggers">How often the trigger occurs in sequences for training.</param>
/// <param name="Seed">Seed of all sequences.</param>
internal sealed record InductionData(int Vocabulary, int Triggers, int Seed)
{
    /// <summary>Makes the batch of a number.</summary>
    public TaskBatch Batch(Split split, long number, int rows, int length)
    {
        TaskBatch batch = new(rows, length);
        for (int row = 0; row < rows; row++)
        {
            SplitMix64 random = Sampling.Stream((ulong)Seed, split, (number * rows) + row);
            InductionSequence sequence = new(random, length, Vocabulary, Triggers);
            sequence.Read(batch.TokensOf(row));
            foreach (int position in sequence.TriggerPositions.Skip(1))
            {
                batch.TargetsOf(row)[position] = sequence.Value;
            }
        }

        return batch;
    }

    /// <summary>Makes test sequences of any length in which the trigger occurs twice, to be read in pieces.</summary>
    public InductionSequence[] Tests(long start, int count, int length)
    {
        InductionSequence[] tests = new InductionSequence[count];
        for (int i = 0; i < count; i++)
        {
            tests[i] = new(Sampling.Stream((ulong)Seed, Split.Test, start + i), length, Vocabulary, triggers: 2);
        }

        return tests;
    }
}
