using System.Diagnostics;
using System.Globalization;
using Mamba.Models.Training;
using Spectre.Console;

namespace Mamba.Cli.Train;

/// <summary>Shows a run: a live line on a terminal, a line now and then elsewhere.</summary>
/// <remarks>
/// A screen that can no longer be written to (a terminal that was closed, a full disk) does not end a run.
/// </remarks>
internal sealed class TrainingScreen(IAnsiConsole console)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    /// <summary>Why nothing more is shown; null: everything was.</summary>
    public string? Fault { get; private set; }

    private bool IsLive =>
        console.Profile.Capabilities.Interactive && console.Profile.Capabilities.Ansi && console.Profile.Out.IsTerminal;

    /// <summary>Runs what reports its progress, and shows it.</summary>
    public T Show<T>(Func<IProgress<TrainingProgress>, T> run, string unit)
    {
        if (!IsLive)
        {
            return run(new Lines(this, unit));
        }

        Live live = new(this, unit);
        try
        {
            return run(live);
        }
        finally
        {
            Write(StatusLine.Clear);
        }
    }

    /// <summary>Writes a line; a terminal breaks it between words, a file has it whole.</summary>
    public void Say(string line)
    {
        Write(IsLive ? StatusLine.Clear : "");
        if (console.Profile.Out.IsTerminal)
        {
            Try(() => console.WriteLine(line));
        }
        else
        {
            Write(line + Environment.NewLine);
        }
    }

    /// <summary>Writes a table of two columns.</summary>
    public void Tell(params ReadOnlySpan<(string Name, string Value)> rows)
    {
        (string, string)[] all = [.. rows];
        Try(() => Summary.Write(console, all));
    }

    private void Write(string text) => Try(() =>
    {
        console.Profile.Out.Writer.Write(text);
        console.Profile.Out.Writer.Flush();
    });

    private void Try(Action write)
    {
        if (Fault is not null)
        {
            return;
        }

        try
        {
            write();
        }
        catch (IOException exception)
        {
            Fault = exception.Message;
        }
    }

    /// <summary>Evaluations, checkpoints and warnings stay on the screen as lines.</summary>
    private void SayNews(TrainingProgress report, string unit)
    {
        if (report.Evaluation is { } value)
        {
            string best = report.IsBest ? ", the best so far" : "";
            Say(string.Create(
                CultureInfo.InvariantCulture,
                $"step {report.Step}: held out {StatusLine.Bits(value):0.000} {unit}{best}"));
        }

        if (report.Warning is not null)
        {
            Say(report.Warning);
        }
    }

    private void ShowLive(TrainingProgress report, string unit) =>
        Write(StatusLine.Clear + StatusLine.Of(report, unit, console.Profile.Width));

    private sealed class Live(TrainingScreen screen, string unit) : IProgress<TrainingProgress>
    {
        private const double PerSecond = 5;

        private readonly Stopwatch _sinceLine = new();

        public void Report(TrainingProgress value)
        {
            screen.SayNews(value, unit);
            if (value.Loss is not null && (!_sinceLine.IsRunning || _sinceLine.Elapsed.TotalSeconds > 1 / PerSecond))
            {
                _sinceLine.Restart();
                screen.ShowLive(value, unit);
            }
        }
    }

    private sealed class Lines(TrainingScreen screen, string unit) : IProgress<TrainingProgress>
    {
        private readonly Stopwatch _sinceLine = Stopwatch.StartNew();

        public void Report(TrainingProgress value)
        {
            screen.SayNews(value, unit);
            if (value.Loss is not null && (_sinceLine.Elapsed > Pause || value.Step == value.Steps || value.Step == 1))
            {
                _sinceLine.Restart();
                screen.Say(StatusLine.Of(value, unit, int.MaxValue));
            }
        }
    }
}
