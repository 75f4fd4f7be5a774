using Mamba.Models.Generation;
using Mamba.Tasks;

namespace Mamba.Tests.Tasks;

public sealed class SamplingTests
{
    [Fact]
    public void Every_seed_split_and_number_has_a_stream_of_its_own()
    {
        IEnumerable<ulong> first =
            from seed in Enumerable.Range(0, 10)
            from split in Enum.GetValues<Split>()
            from number in Enumerable.Range(0, 10)
            select Sampling.Stream((ulong)seed, split, number).State;

        first.Should().OnlyHaveUniqueItems();
        Sampling.Stream(3, Split.Test, 4).State.Should().Be(Sampling.Stream(3, Split.Test, 4).State);
    }

    [Fact]
    public void Numbers_below_a_limit_are_spread_evenly()
    {
        SplitMix64 random = new(1);
        int[] counts = new int[7];

        for (int i = 0; i < 70_000; i++)
        {
            counts[random.NextBelow(7)]++;
        }

        // 10 000 each; the standard deviation is 93.
        counts.Should().OnlyContain(count => Math.Abs(count - 10_000) < 500);
    }

    [Fact]
    public void Every_sorted_choice_is_as_likely()
    {
        SplitMix64 random = new(2);
        Dictionary<(int, int), int> counts = [];

        for (int i = 0; i < 30_000; i++)
        {
            int[] chosen = random.Sorted(4, 2);
            counts[(chosen[0], chosen[1])] = counts.GetValueOrDefault((chosen[0], chosen[1])) + 1;
        }

        // 5 000 each of the six ascending pairs; the standard deviation is 65.
        counts.Keys.Should().BeEquivalentTo([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]);
        counts.Values.Should().OnlyContain(count => Math.Abs(count - 5_000) < 350);
    }

    [Fact]
    public void Weighted_choices_follow_the_weights_and_do_not_repeat()
    {
        SplitMix64 random = new(3);
        int[] firsts = new int[3];

        for (int i = 0; i < 60_000; i++)
        {
            int[] chosen = random.Weighted([1, 2, 3], 3);
            chosen.Order().SequenceEqual([0, 1, 2]).Should().BeTrue(); // an assertion on lists would take 10 s
            firsts[chosen[0]]++;
        }

        // 10 000, 20 000 and 30 000; the standard deviation is 122 at most.
        for (int i = 0; i < 3; i++)
        {
            firsts[i].Should().BeCloseTo(10_000 * (i + 1), 650);
        }
    }

    [Fact]
    public void More_numbers_than_there_are_cannot_be_chosen()
    {
        SplitMix64 random = new(4);

        Action sorted = () => random.Sorted(2, 3);
        Action weighted = () => random.Weighted([1, 1], 3);

        sorted.Should().Throw<ArgumentOutOfRangeException>().WithParameterName("chosen");
        weighted.Should().Throw<ArgumentOutOfRangeException>().WithParameterName("chosen");
    }
}
