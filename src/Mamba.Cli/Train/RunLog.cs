using System.Diagnostics;
using System.Globalization;
using System.Text;
using Mamba.Checkpoints;
using Mamba.Models.Training;

namespace Mamba.Cli.Train;

/// <summary>The log of a run as a CSV file: a row for every step, and one for every evaluation.</summary>
/// <remarks>
/// Every row is handed to the system at once, and flushed to the disk every few seconds and before a checkpoint. Rows
/// that cannot be written wait for the next attempt; the run goes on.
/// </remarks>
internal sealed class RunLog : IDisposable
{
    private const string Header =
        "step,loss_nats,learning_rate,gradient_norm,tokens_per_second,seconds,held_out_loss_nats,warning";

    private static readonly TimeSpan FlushInterval = TimeSpan.FromSeconds(5);

    private readonly string _path;
    private readonly Action<string> _warn;
    private readonly Func<string, Stream> _open;
    private readonly StringBuilder _pending = new();
    private readonly Stopwatch _sinceFlush = Stopwatch.StartNew();
    private Stream? _stream;
    private bool _hasWarned;

    /// <summary>Begins a log, or goes on with it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="step">
    /// The step that the run goes on from; rows beyond it, of steps that are done again, are dropped.
    /// </param>
    /// <param name="warn">Is told of damaged rows, and of rows that cannot be written.</param>
    /// <param name="open">Opens the file to append to; null: as it is.</param>
    /// <exception cref="IOException">There is a log to go on with, and it cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public RunLog(string path, long step, Action<string> warn, Func<string, Stream>? open = null)
    {
        _path = path;
        _warn = warn;
        _open = open ?? (file =>
            new FileStream(file, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0));
        _pending.Append(Header).Append('\n');
        if (step > 0 && File.Exists(path))
        {
            Keep(step);
        }

        Flush(toDisk: true);
    }

    /// <summary>Step and loss, in nats, of every step.</summary>
    public List<(long Step, double Loss)> Training { get; } = [];

    /// <summary>Step and loss, in nats, of every evaluation.</summary>
    public List<(long Step, double Loss)> HeldOut { get; } = [];

    /// <summary>Why the last rows are not in the file; null: they are.</summary>
    public string? Fault { get; private set; }

    /// <summary>Adds the row of a step or of an evaluation.</summary>
    public void Add(TrainingProgress report)
    {
        if (report.Loss is { } loss)
        {
            (double rate, double norm) = (report.LearningRate, report.GradientNorm);
            Add(new LogRow(report.Step, loss, null)
            {
                Rest = string.Create(
                    CultureInfo.InvariantCulture,
                    $"{rate:R},{norm:R},{report.TokensPerSecond:0},{report.Elapsed.TotalSeconds:0.0}"),
                IsSkipped = report.Warning is not null,
            });
        }

        if (report.Evaluation is { } heldOut)
        {
            Add(new LogRow(report.Step, null, heldOut)
            {
                Rest = string.Create(CultureInfo.InvariantCulture, $",,,{report.Elapsed.TotalSeconds:0.0}"),
            });
        }
    }

    /// <summary>Hands all rows to the system.</summary>
    /// <param name="toDisk">Whether to wait until the disk has them.</param>
    public void Flush(bool toDisk)
    {
        try
        {
            if (_stream is null)
            {
                byte[] all = Encoding.UTF8.GetBytes(_pending.ToString());
                AtomicFile.WriteIfChanged(_path, all);
                _stream = _open(_path);
            }
            else
            {
                Append();
            }

            _pending.Clear();
            if (toDisk)
            {
                (_stream as FileStream)?.Flush(flushToDisk: true);
                _sinceFlush.Restart();
            }

            Fault = null;
        }
        catch (Exception exception)
            when (exception is IOException or UnauthorizedAccessException || AtomicFile.IsTooLarge(exception))
        {
            string reason = exception is ArgumentException ? "The file is too large for its disk." : exception.Message;
            Fault = $"{_path} lacks its last rows: {reason}";
            if (!_hasWarned)
            {
                _warn($"{Fault} The run continues, and they are written when that is possible.");
            }

            _hasWarned = true;
            _sinceFlush.Restart();
        }
    }

    public void Dispose()
    {
        Flush(toDisk: true);
        _stream?.Dispose();
    }

    private void Add(LogRow row)
    {
        Note(row);
        _pending.Append(row).Append('\n');
        bool isDue = _sinceFlush.Elapsed > FlushInterval;
        if (isDue || Fault is null) // a full disk is not tried again at every step
        {
            Flush(isDue);
        }
    }

    /// <summary>Appends the pending rows; where that fails half way, the file is cut back to whole rows.</summary>
    private void Append()
    {
        long length = _stream!.Length;
        try
        {
            _stream.Write(Encoding.UTF8.GetBytes(_pending.ToString()));
        }
        catch
        {
            CutBack(length);
            throw;
        }
    }

    private void CutBack(long length)
    {
        try
        {
            _stream!.SetLength(length);
        }
        catch (IOException)
        {
            // What hindered the writing is on its way as an error.
        }
    }

    /// <summary>Keeps the rows up to a step.</summary>
    private void Keep(long step)
    {
        int line = 0, damaged = 0, first = 0;
        using StreamReader reader = new(_path, Encoding.UTF8);
        while (LogRow.ReadLine(reader) is { } text)
        {
            line++;
            if (line == 1 && text.TrimEnd() == Header)
            {
                continue;
            }

            if (LogRow.Parse(text) is not { } row)
            {
                first = damaged == 0 ? line : first;
                damaged++;
            }
            else if (row.Step <= step)
            {
                Note(row);
                _pending.Append(text.TrimEnd()).Append('\n');
            }
        }

        if (damaged > 0)
        {
            string rows = damaged == 1 ? $"line {first} is damaged and was dropped"
                : $"{damaged} lines are damaged and were dropped, the first is line {first}";
            _warn($"{_path}: {rows}.");
        }
    }

    private void Note(LogRow row)
    {
        if (row.Loss is { } loss)
        {
            Training.Add((row.Step, loss));
        }

        if (row.HeldOut is { } heldOut)
        {
            HeldOut.Add((row.Step, heldOut));
        }
    }
}
