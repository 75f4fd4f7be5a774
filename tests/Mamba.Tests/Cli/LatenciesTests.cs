using Mamba.Cli.Bench;

namespace Mamba.Tests.Cli;

public sealed class LatenciesTests
{
    [Fact]
    public void A_percentile_is_the_smallest_time_that_so_many_do_not_exceed()
    {
        Latencies hundred = Latencies.Of(Enumerable.Range(1, 100).Reverse().Select(i => i / 1000.0));
        Latencies ten = Latencies.Of(Enumerable.Range(1, 10).Select(i => i / 1000.0));

        hundred.Should().Be(new Latencies(50, 90, 99, 100));
        ten.Should().Be(new Latencies(5, 9, 10, 10));
    }

    [Fact]
    public void One_time_is_every_percentile() => Latencies.Of([0.25]).Should().Be(new Latencies(250, 250, 250, 250));
}
