using System.Diagnostics;
using System.Globalization;
using Mamba.Models.Training;
using Spectre.Console;

namespace Mamba.Cli.Training;

/// <summary>Shows a run: a live bar on a terminal, a line now and then elsewhere.</summary>
internal sealed class TrainingScreen(IAnsiConsole console)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    /// <summary>Runs what reports its progress, and shows it.</summary>
    public T Show<T>(Func<IProgress<TrainingProgress>, T> run, string unit)
    {
        if (!console.Profile.Capabilities.Interactive || !console.Profile.Out.IsTerminal)
        {
            return run(new Lines(this, unit));
        }

        return console.Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn())
            .Start(context => run(new Bar(this, context.AddTask("starting", maxValue: 1), unit)));
    }

    /// <summary>Writes a line.</summary>
    public void Say(string line)
    {
        if (console.Profile.Out.IsTerminal)
        {
            console.WriteLine(line);
        }
        else
        {
            console.Profile.Out.Writer.WriteLine(line); // whole, however wide
        }
    }

    /// <summary>Writes a table of two columns.</summary>
    public void Tell(params ReadOnlySpan<(string Name, string Value)> rows) => Summary.Write(console, rows);

    /// <summary>Evaluations, checkpoints and warnings stay on the screen as lines.</summary>
    private void SayNews(TrainingProgress report, string unit)
    {
        if (report.Evaluation is { } value)
        {
            Say(string.Create(CultureInfo.InvariantCulture, $"step {report.Step}: held out {Bits(value):0.000} {unit}"));
        }

        if (report.Warning is not null)
        {
            Say(report.Warning);
        }
    }

    private static double Bits(double nats) => nats / Math.Log(2);

    private static string Describe(TrainingProgress report, string unit) => string.Create(
        CultureInfo.InvariantCulture,
        $"step {report.Step}/{report.Steps}  {Bits(report.Loss ?? double.NaN):0.000} {unit}  {report.TokensPerSecond:N0} tokens/s  " +
        $"{report.Memory / 1e6:N0} MB  {Short(report.Remaining)} left");

    private static string Short(TimeSpan time) => time.ToString(time.TotalHours >= 1 ? @"h\:mm\:ss" : @"m\:ss", CultureInfo.InvariantCulture);

    private sealed class Bar(TrainingScreen screen, ProgressTask task, string unit) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            screen.SayNews(value, unit);
            task.MaxValue = value.Steps;
            task.Value = value.Step;
            task.Description = value.Loss is null ? task.Description : Markup.Escape(Describe(value, unit));
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
                screen.Say(Describe(value, unit));
            }
        }
    }
}
