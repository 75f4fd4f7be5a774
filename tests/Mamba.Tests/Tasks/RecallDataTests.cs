using CsCheck;
using Mamba.Autograd;
using Mamba.Tasks;
using Mamba.Tasks.Recall;

namespace Mamba.Tests.Tasks;

public sealed class RecallDataTests
{
    private const int Rows = 3;

    private static readonly Gen<RecallData> Data =
        from pairs in Gen.Int[1, 9]
        from more in Gen.Int[0, 20]
        from keys in Gen.Int[0, 30]
        from seed in Gen.Int[0, 999]
        select new RecallData((4 * pairs) + more, pairs, (2 * (pairs + 1)) + keys, seed);

    [Fact]
    public void Every_query_has_its_key_and_value_at_the_beginning() => Data.Sample(data =>
    {
        TaskBatch batch = data.Batch(Split.Test, 5, Rows);

        for (int row = 0; row < Rows; row++)
        {
            int[] tokens = batch.TokensOf(row).ToArray(), targets = batch.TargetsOf(row).ToArray();
            Dictionary<int, int> values = [];
            for (int i = 0; i < data.Pairs; i++)
            {
                tokens[2 * i].Should().BeInRange(1, (data.Vocabulary / 2) - 1);
                tokens[(2 * i) + 1].Should().BeInRange(data.Vocabulary / 2, data.Vocabulary - 1);
                values.TryAdd(tokens[2 * i], tokens[(2 * i) + 1]).Should().BeTrue("keys are unique");
            }

            int[] asked = [.. Enumerable.Range(0, data.Length).Where(i => targets[i] != Functions.IgnoredTarget)];
            asked.Should().HaveCount(data.Pairs).And.OnlyContain(i => i >= 2 * data.Pairs && i % 2 == 0);
            asked.Should().OnlyContain(i => values[tokens[i]] == targets[i]);
            asked.Select(i => tokens[i]).Should().BeEquivalentTo(values.Keys, "every key is asked for once");
            tokens.Should().OnlyContain(token => token >= 0 && token < data.Vocabulary);
        }
    });

    [Fact]
    public void Training_goes_in_turn_through_all_the_pairs_and_parts_of_them()
    {
        RecallData data = new(64, 16, 64, 1);

        IEnumerable<int> asked = Enumerable.Range(0, 5).Select(number =>
            data.Batch(Split.Training, number, Rows).TargetsOf(1).ToArray().Count(t => t != Functions.IgnoredTarget));

        asked.Should().Equal(16, 8, 4, 2, 16);
    }

    [Fact]
    public void A_batch_depends_on_seed_split_and_number_alone()
    {
        RecallData data = new(64, 8, 64, 1);

        int[] tokens = data.Batch(Split.Training, 7, 4).Tokens;

        data.Batch(Split.Training, 7, 4).Tokens.Should().Equal(tokens);
        data.Batch(Split.Training, 8, 4).Tokens.Should().NotEqual(tokens);
        data.Batch(Split.Test, 7, 4).Tokens.Should().NotEqual(tokens);
        (data with { Seed = 2 }).Batch(Split.Training, 7, 4).Tokens.Should().NotEqual(tokens);
    }

    [Theory]
    [InlineData(31, 8, 64)]
    [InlineData(64, 8, 16)]
    public void Pairs_that_do_not_fit_are_refused(int length, int pairs, int vocabulary)
    {
        Action make = () => _ = new RecallData(length, pairs, vocabulary, 1);

        make.Should().Throw<ArgumentException>()
            .WithMessage($"8 pairs need a length of 32 and a vocabulary of 18; found {length} and {vocabulary}.");
    }
}
