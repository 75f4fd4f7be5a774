using Mamba.Models.Generation;

namespace Mamba.Tests.Generation;

public sealed class SplitMix64Tests
{
    [Fact]
    public void The_sequence_is_the_published_one()
    {
        // The first outputs from seed 1234567 of the authors' C code (splitmix64.c, Vigna).
        SplitMix64 random = new(1234567);

        ulong[] numbers = [random.Next(), random.Next(), random.Next(), random.Next(), random.Next()];

        numbers.Should().Equal(
            6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821);
    }

    [Fact]
    public void Units_lie_from_0_to_below_1_and_are_spread_evenly()
    {
        SplitMix64 random = new(1);
        int[] buckets = new int[10];

        for (int i = 0; i < 100_000; i++)
        {
            buckets[(int)(random.NextUnit() * 10)]++;
        }

        // 10 000 each; the standard deviation is 95.
        buckets.Should().OnlyContain(count => Math.Abs(count - 10_000) < 500);
    }

    [Fact]
    public void A_state_that_is_set_again_continues_the_sequence()
    {
        SplitMix64 random = new(5);
        random.Next();
        SplitMix64 copy = new(random.State);

        copy.Next().Should().Be(random.Next());
    }
}
