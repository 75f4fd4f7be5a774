namespace Mamba.Cli;

/// <summary>Times as people write them.</summary>
internal static class TimeText
{
    /// <summary>A time in its two largest units: 15 s, 6 min 14 s, 2 h 3 min.</summary>
    public static string Of(TimeSpan time)
    {
        time = TimeSpan.FromSeconds(Math.Round(time.TotalSeconds));
        return time.TotalMinutes < 1 ? Text($"{time.Seconds} s")
            : time.TotalHours < 1 ? Text($"{time.Minutes} min {time.Seconds} s")
            : time.TotalDays < 1 ? Text($"{time.Hours} h {time.Minutes} min")
            : Text($"{time.Days} d {time.Hours} h");
    }

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
