using System.Diagnostics;

namespace Mamba.Benchmarks.Quick;

/// <summary>Measures how long something takes.</summary>
internal static class Timing
{
    private const int LeastRepeats = 5;
    private static readonly TimeSpan WarmUp = TimeSpan.FromMilliseconds(300); // until the JIT has settled
    private static readonly TimeSpan Budget = TimeSpan.FromSeconds(2);

    /// <summary>The median of repeats, in seconds.</summary>
    public static double Seconds(Action action)
    {
        Repeat(action, WarmUp, 2);
        List<double> seconds = Repeat(action, Budget, LeastRepeats);
        seconds.Sort();
        return seconds[seconds.Count / 2];
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
