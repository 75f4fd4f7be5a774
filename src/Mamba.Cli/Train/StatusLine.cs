using Mamba.Models.Training;

namespace Mamba.Cli.Train;

/// <summary>Where a run stands, in one line that fits the terminal.</summary>
/// <remarks>
/// One line that is written over itself survives what a block of lines does not: a terminal that is made narrower.
/// </remarks>
internal static class StatusLine
{
    /// <summary>Goes to the beginning of the terminal's line and clears it.</summary>
    public const string Clear = "\r\u001b[K";

    private const string Gap = "  ";
    private const int LeastBar = 8, MostBar = 24;

    /// <summary>
    /// Describes a step: as many of its figures as fit, the most wanted first, and a bar in the room that is left.
    /// </summary>
    /// <param name="report">The step.</param>
    /// <param name="unit">Of the loss.</param>
    /// <param name="width">Columns of the terminal.</param>
    public static string Of(TrainingProgress report, string unit, int width)
    {
        ReadOnlySpan<string> figures =
        [
            Text($"step {report.Step}/{report.Steps}"),
            Text($"{Bits(report.Loss ?? double.NaN):0.000} {unit}"),
            $"{TimeText.Of(report.Remaining)} left",
            Text($"{report.TokensPerSecond:N0} tokens/s"),
            Text($"{report.Memory / 1e6:N0} MB"),
        ];
        int room = width - 1; // a line that fills the last column wraps on some terminals
        if (figures[0].Length > room)
        {
            return "";
        }

        string line = figures[0];
        foreach (string figure in figures[1..])
        {
            if (line.Length + Gap.Length + figure.Length <= room)
            {
                line += Gap + figure;
            }
        }

        int bar = width == int.MaxValue ? 0 : Math.Min(room - line.Length - Gap.Length, MostBar);
        return bar < LeastBar ? line : line + Gap + Bar(bar, (double)report.Step / report.Steps);
    }

    /// <summary>A loss in bits.</summary>
    public static double Bits(double nats) => nats / Math.Log(2);

    private static string Bar(int width, double part)
    {
        width -= "[]".Length;
        int done = (int)(width * Math.Clamp(part, 0, 1));
        return $"[{new string('#', done)}{new string('.', width - done)}]";
    }

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
