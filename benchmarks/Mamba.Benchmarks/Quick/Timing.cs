using System.Diagnostics;

namespace Mamba.Benchmarks.Quick;

/// <summary>Measures the time of actions.</summary>
internal static class Timing
{
    private const int LeastRepeats = 3;
    private static readonly TimeSpan WarmUp = TimeSpan.FromMilliseconds(200); // until JIT compilation is done
    private static readonly TimeSpan Budget = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ShortestRun = TimeSpan.FromMilliseconds(10);

    /// <summary>The median time of some repeats, in seconds.</summary>
    public static double Seconds(Action action)
    {
        Repeat(action, WarmUp, 1);
        return Median(Repeat(action, Budget, LeastRepeats));
    }

    /// <summary>Times two actions alternately, so that other load on the machine affects both.</summary>
    /// <param name="first">The first action.</param>
    /// <param name="second">The second action.</param>
    /// <param name="budget">Time for all runs; by default twice that of a single action.</param>
    /// <returns>The median times, and the median ratio of a run of the first to the next run of the second.</returns>
    public static PairedTimes Alternating(Action first, Action second, TimeSpan? budget = null)
    {
        int firstCount = RunsOf(first), secondCount = RunsOf(second);
        List<double> firstSeconds = [], secondSeconds = [], ratios = [];
        long start = Stopwatch.GetTimestamp();
        while (ratios.Count < LeastRepeats || Stopwatch.GetElapsedTime(start) < (budget ?? (2 * Budget)))
        {
            firstSeconds.Add(Run(first, firstCount));
            secondSeconds.Add(Run(second, secondCount));
            ratios.Add(firstSeconds[^1] / secondSeconds[^1]);
        }

        return new(Median(firstSeconds), Median(secondSeconds), Median(ratios));
    }

    /// <summary>The median; the upper one if there are two.</summary>
    public static double Median(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
    }

    private static int RunsOf(Action action) =>
        (int)Math.Ceiling(ShortestRun.TotalSeconds / Median(Repeat(action, WarmUp, 1)));

    private static double Run(Action action, int count)
    {
        action(); // wakes its threads
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
        {
            action();
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds / count;
    }

    private static List<double> Repeat(Action action, TimeSpan budget, int least)
    {
        List<double> seconds = [];
        long start = Stopwatch.GetTimestamp();
        while (seconds.Count < least || Stopwatch.GetElapsedTime(start) < budget)
        {
            long before = Stopwatch.GetTimestamp();
            action();
            seconds.Add(Stopwatch.GetElapsedTime(before).TotalSeconds);
        }

        return seconds;
    }
}

/// <summary>Times of two actions that alternated.</summary>
/// <param name="First">Seconds of one run of the first.</param>
/// <param name="Second">Seconds of one run of the second.</param>
/// <param name="Ratio">Time of the first relative to the second.</param>
internal readonly record struct PairedTimes(double First, double Second, double Ratio);
