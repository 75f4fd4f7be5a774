using Mamba.Models.Training;

namespace Mamba.Tests.Training;

public sealed class PaceTests
{
    [Theory]
    [InlineData(1_000_000_000_000)]
    [InlineData(long.MaxValue)]
    public void Time_that_no_TimeSpan_holds_is_the_longest_there_is(long steps)
    {
        Pace pace = new();
        pace.Begin(TimeSpan.Zero);
        Thread.Sleep(3); // one step in 3 ms or more: at most 334 a second
        pace.Note();

        pace.TimeFor(0).Should().Be(TimeSpan.Zero);
        pace.TimeFor(steps).Should().BeGreaterThan(TimeSpan.FromSeconds(1e9));
        pace.TimeFor(long.MaxValue).Should().Be(TimeSpan.MaxValue);
    }
}
