using CsCheck;
using Mamba.Autograd;
using Mamba.Tasks;
using Mamba.Tasks.Copying;

namespace Mamba.Tests.Tasks;

public sealed class CopyingDataTests
{
    private const int Rows = 3;

    private static readonly Gen<CopyingData> Data =
        from length in Gen.Int[0, 40]
        from memorise in Gen.Int[1, 12]
        from vocabulary in Gen.Int[3, 20]
        from seed in Gen.Int[0, 999]
        select new CopyingData(length, memorise, vocabulary, seed);

    [Fact]
    public void The_answers_at_the_markers_are_the_data_in_their_order() => Data.Sample(data =>
    {
        TaskBatch batch = data.Batch(Split.Training, 5, Rows);

        batch.Length.Should().Be(data.Length + (2 * data.Memorise));
        for (int row = 0; row < Rows; row++)
        {
            int[] tokens = batch.TokensOf(row).ToArray(), targets = batch.TargetsOf(row).ToArray();
            int body = data.Length + data.Memorise;
            tokens[body..].Should().OnlyContain(token => token == data.Marker);
            tokens[..body].Should().OnlyContain(token => token >= 0 && token < data.Marker);
            targets[..body].Should().OnlyContain(target => target == Functions.IgnoredTarget);
            targets[body..].Should().Equal(tokens[..body].Where(token => token != 0));
        }
    });

    [Fact]
    public void A_batch_depends_on_seed_split_and_number_alone()
    {
        CopyingData data = new(60, 8, 16, 1);

        int[] tokens = data.Batch(Split.Training, 7, 4).Tokens;

        data.Batch(Split.Training, 7, 4).Tokens.Should().Equal(tokens);
        data.Batch(Split.Training, 8, 4).Tokens.Should().NotEqual(tokens);
        data.Batch(Split.Validation, 7, 4).Tokens.Should().NotEqual(tokens);
        (data with { Seed = 2 }).Batch(Split.Training, 7, 4).Tokens.Should().NotEqual(tokens);
    }
}
