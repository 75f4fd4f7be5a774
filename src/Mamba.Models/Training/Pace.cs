using System.Diagnostics;

namespace Mamba.Models.Training;

/// <summary>Measures the time of a run, and the speed of its last steps.</summary>
internal sealed class Pace
{
    private const int Window = 32;

    private readonly Queue<TimeSpan> _ends = new();
    private readonly Stopwatch _watch = new();
    private TimeSpan _before;

    /// <summary>Steps per second over the last few steps; 0 before the first.</summary>
    public double StepsPerSecond { get; private set; }

    /// <summary>Starts to measure.</summary>
    /// <param name="before">Time of the run before it was resumed.</param>
    public void Begin(TimeSpan before)
    {
        _before = before;
        _ends.Clear();
        _ends.Enqueue(TimeSpan.Zero);
        _watch.Restart();
    }

    /// <summary>Records the end of a step.</summary>
    /// <returns>Time of the run so far.</returns>
    public TimeSpan Note()
    {
        TimeSpan now = _watch.Elapsed;
        StepsPerSecond = _ends.Count / Math.Max((now - _ends.Peek()).TotalSeconds, 1e-9);
        _ends.Enqueue(now);
        if (_ends.Count > Window)
        {
            _ends.Dequeue();
        }

        return _before + now;
    }

    /// <summary>The time of a number of steps at this pace, at most <see cref="TimeSpan.MaxValue"/>.</summary>
    /// <remarks>10¹² steps of 1 s each are more than the 9.2·10¹¹ s that a <see cref="TimeSpan"/> holds.</remarks>
    public TimeSpan TimeFor(long steps)
    {
        double seconds = StepsPerSecond > 0 ? steps / StepsPerSecond : 0;
        return seconds < TimeSpan.MaxValue.TotalSeconds ? TimeSpan.FromSeconds(seconds) : TimeSpan.MaxValue;
    }
}
