using CsCheck;
using Mamba.Autograd;
using Mamba.Tasks;
using Mamba.Tasks.Induction;

namespace Mamba.Tests.Tasks;

public sealed class InductionDataTests
{
    private const int Rows = 3;

    private static readonly Gen<(InductionData Data, int Length)> Cases =
        from triggers in Gen.Int[2, 6]
        from length in Gen.Int[(2 * triggers) - 1, 60]
        from vocabulary in Gen.Int[2, 20]
        from seed in Gen.Int[0, 999]
        select (new InductionData(vocabulary, triggers, seed), length);

    [Fact]
    public void After_every_trigger_the_same_value_follows_and_each_but_the_first_asks_for_it() => Cases.Sample(c =>
    {
        (InductionData data, int length) = c;
        int trigger = data.Vocabulary - 1;

        TaskBatch batch = data.Batch(Split.Training, 5, Rows, length);

        for (int row = 0; row < Rows; row++)
        {
            int[] tokens = batch.TokensOf(row).ToArray(), targets = batch.TargetsOf(row).ToArray();
            int[] positions = [.. Enumerable.Range(0, length).Where(i => tokens[i] == trigger)];
            positions.Should().HaveCount(data.Triggers).And.EndWith(length - 1);
            int value = tokens[positions[0] + 1];
            value.Should().BeInRange(0, trigger - 1);
            positions[..^1].Should().OnlyContain(position => tokens[position + 1] == value);
            Enumerable.Range(0, length).Where(i => targets[i] != Functions.IgnoredTarget)
                .Should().Equal(positions[1..]);
            positions[1..].Should().OnlyContain(position => targets[position] == value);
        }
    });

    [Fact]
    public void The_first_trigger_stands_anywhere()
    {
        // Five tokens: the trigger and its value take two of the first four.
        InductionSequence[] tests = new InductionData(16, 2, 1).Tests(0, 3000, 5);

        int[] counts = [.. Enumerable.Range(0, 4).Select(i => tests.Count(test => test.TriggerPositions[0] == i))];

        // 1 000 each; the standard deviation is 26.
        counts[3].Should().Be(0);
        counts[..3].Should().OnlyContain(count => Math.Abs(count - 1000) < 140);
    }

    [Fact]
    public void Pieces_of_any_length_give_the_same_sequence() => Gen.Int[1, 30].Array[1, 9].Sample(lengths =>
    {
        int length = lengths.Sum() + 3;
        InductionData data = new(16, 2, 1);
        int[] whole = new int[length], pieces = new int[length];
        data.Tests(4, 1, length)[0].Read(whole);

        InductionSequence sequence = data.Tests(4, 1, length)[0];
        int start = 0;
        foreach (int piece in lengths.Append(3))
        {
            sequence.Read(pieces.AsSpan(start, piece));
            start += piece;
        }

        pieces.Should().Equal(whole);
        whole[sequence.TriggerPositions[0] + 1].Should().Be(sequence.Value);
    });

    [Fact]
    public void A_batch_depends_on_seed_split_and_number_alone()
    {
        InductionData data = new(16, 3, 1);

        int[] tokens = data.Batch(Split.Training, 7, 4, 50).Tokens;

        data.Batch(Split.Training, 7, 4, 50).Tokens.Should().Equal(tokens);
        data.Batch(Split.Training, 8, 4, 50).Tokens.Should().NotEqual(tokens);
        data.Batch(Split.Test, 7, 4, 50).Tokens.Should().NotEqual(tokens);
        (data with { Seed = 2 }).Batch(Split.Training, 7, 4, 50).Tokens.Should().NotEqual(tokens);
    }

    [Fact]
    public void Triggers_that_do_not_fit_are_refused()
    {
        InductionData data = new(16, 4, 1);

        data.Invoking(d => d.Batch(Split.Training, 0, 1, 6)).Should().Throw<ArgumentOutOfRangeException>();
    }
}
