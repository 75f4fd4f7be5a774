using System.Diagnostics;

namespace Mamba.Models.Training;

/// <summary>How long a run has taken, and how fast its last steps were.</summary>
internal sealed class Pace
{
    private const int Window = 32;

    private readonly Queue<TimeSpan> _ends = new();
    private readonly Stopwatch _watch = new();
    private TimeSpan _before;

    /// <summary>Steps a second over the last few; 0 before the first.</summary>
    public double StepsPerSecond { get; private set; }

    /// <summary>Begins to measure.</summary>
    /// <param name="before">Time that the run had taken before.</param>
    public void Begin(TimeSpan before)
    {
        _before = before;
        _ends.Clear();
        _ends.Enqueue(TimeSpan.Zero);
        _watch.Restart();
    }

    /// <summary>Notes the end of a step.</summary>
    /// <returns>The time that the run has taken.</returns>
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

    /// <summary>The time that a number of steps will take at this pace, at most the longest there is.</summary>
    /// <remarks>10¹² steps of 1 s each are more than the 9.2·10¹¹ s that a <see cref="TimeSpan"/> holds.</remarks>
    public TimeSpan TimeFor(long steps)
    {
        double seconds = StepsPerSecond > 0 ? steps / StepsPerSecond : 0;
        return seconds < TimeSpan.MaxValue.TotalSeconds ? TimeSpan.FromSeconds(seconds) : TimeSpan.MaxValue;
    }
}
