using System.Text.Json;
using Mamba.Optimization;
using static Mamba.Optimization.LearningRateKind;

namespace Mamba.Tests.Optimization;

public sealed class LearningRateScheduleTests
{
    private static readonly LearningRateSchedule Schedule =
        new() { Peak = 2, WarmupSteps = 4, TotalSteps = 24, DecaySteps = 10, Floor = 0.1 };

    [Theory]
    [InlineData(Constant)]
    [InlineData(Linear)]
    [InlineData(Cosine)]
    [InlineData(WarmupStableDecay)]
    public void Every_kind_warms_up_in_a_line_to_the_peak(LearningRateKind kind)
    {
        LearningRateSchedule schedule = Schedule with { Kind = kind };

        double[] rates = [.. Enumerable.Range(0, 5).Select(step => schedule.At(step))];

        rates.Should().Equal(0.5, 1, 1.5, 2, 2);
        (schedule with { WarmupSteps = 0 }).At(0).Should().Be(2);
    }

    [Theory] // 4 + 20 steps, from 2 to 0.2
    [InlineData(Constant, 14, 2.0)]
    [InlineData(Constant, 1_000_000_000_000, 2.0)]
    [InlineData(Linear, 14, 1.1)]
    [InlineData(Linear, 19, 0.65)]
    [InlineData(Linear, 24, 0.2)]
    [InlineData(Linear, 1_000_000_000_000, 0.2)]
    [InlineData(Cosine, 9, 1.7363961030678928)] // 0.2 + 1.8·(1 + √½)/2
    [InlineData(Cosine, 14, 1.1)]
    [InlineData(Cosine, 24, 0.2)]
    [InlineData(Cosine, 25, 0.2)]
    [InlineData(WarmupStableDecay, 14, 2.0)]
    [InlineData(WarmupStableDecay, 15, 1.82)]
    [InlineData(WarmupStableDecay, 19, 1.1)]
    [InlineData(WarmupStableDecay, 24, 0.2)]
    [InlineData(WarmupStableDecay, 30, 0.2)]
    public void The_rate_falls_to_the_floor(LearningRateKind kind, long step, double expected) =>
        (Schedule with { Kind = kind }).At(step).Should().BeApproximately(expected, 1e-14);

    [Fact]
    public void A_schedule_survives_JSON()
    {
        LearningRateSchedule schedule = Schedule with { Kind = Cosine };

        JsonSerializer.Deserialize<LearningRateSchedule>(JsonSerializer.Serialize(schedule)).Should().Be(schedule);
    }

    [Fact]
    public void Settings_that_make_no_sense_are_refused_by_name()
    {
        foreach ((LearningRateSchedule schedule, string name) in new[]
        {
            (Schedule with { Kind = (LearningRateKind)9 }, "Kind"),
            (Schedule with { Peak = double.NaN }, "Peak"),
            (Schedule with { Floor = 1.1 }, "Floor"),
            (Schedule with { WarmupSteps = -1 }, "WarmupSteps"),
            (Schedule with { Kind = Linear, TotalSteps = 4 }, "TotalSteps"),
            (Schedule with { Kind = Cosine, TotalSteps = 0 }, "TotalSteps"),
            (Schedule with { Kind = WarmupStableDecay, DecaySteps = 0 }, "DecaySteps"),
            (Schedule with { Kind = WarmupStableDecay, DecaySteps = 21 }, "DecaySteps"),
        })
        {
            schedule.Invoking(s => s.Validate()).Should().Throw<ArgumentOutOfRangeException>().WithParameterName(name);
            schedule.Invoking(s => s.At(9)).Should().Throw<ArgumentOutOfRangeException>().WithParameterName(name);
        }

        Schedule.Invoking(s => s.At(-1)).Should().Throw<ArgumentOutOfRangeException>().WithParameterName("step");
    }
}
