using System.Globalization;
using Mamba.Models.Training;

namespace Mamba.Cli.Training;

/// <summary>The log of a run as a CSV file: a row for every step, and one for every evaluation.</summary>
internal sealed class RunLog : IDisposable
{
    private const string Header = "step,loss,learning_rate,gradient_norm,tokens_per_second,seconds,held_out_loss,warning";

    private readonly StreamWriter _writer;

    /// <summary>Begins a log, or goes on with it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="step">The step that the run goes on from; rows beyond it, of steps that are done again, are dropped.</param>
    public RunLog(string path, long step)
    {
        string[] kept = step > 0 && File.Exists(path)
            ? [.. File.ReadLines(path).Skip(1).Where(line => StepOf(line) <= step)]
            : [];
        foreach (string[] cells in kept.Select(line => line.Split(',')).Where(cells => cells.Length > 6))
        {
            Note(Training, cells[0], cells[1]);
            Note(HeldOut, cells[0], cells[6]);
        }

        File.WriteAllLines(path, [Header, .. kept]);
        _writer = new(path, append: true);
    }

    /// <summary>Step and loss, in nats, of every step.</summary>
    public List<(long Step, double Loss)> Training { get; } = [];

    /// <summary>Step and loss, in nats, of every evaluation.</summary>
    public List<(long Step, double Loss)> HeldOut { get; } = [];

    public void Add(TrainingProgress report)
    {
        if (report.Loss is { } loss)
        {
            Training.Add((report.Step, loss));
            _writer.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{report.Step},{loss:R},{report.LearningRate:R},{report.GradientNorm:R},{report.TokensPerSecond:0},{report.Elapsed.TotalSeconds:0.0},,{(report.Warning is null ? "" : "skipped")}"));
        }

        if (report.Evaluation is { } heldOut)
        {
            HeldOut.Add((report.Step, heldOut));
            _writer.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{report.Step},,,,,{report.Elapsed.TotalSeconds:0.0},{heldOut:R},"));
            _writer.Flush();
        }
    }

    public void Dispose() => _writer.Dispose();

    private static void Note(List<(long Step, double Loss)> points, string step, string loss)
    {
        if (loss.Length > 0)
        {
            points.Add((long.Parse(step, CultureInfo.InvariantCulture), double.Parse(loss, CultureInfo.InvariantCulture)));
        }
    }

    private static long StepOf(string line) =>
        long.TryParse(line.AsSpan(0, Math.Max(line.IndexOf(','), 0)), NumberStyles.None, CultureInfo.InvariantCulture, out long step)
            ? step
            : long.MaxValue;
}
