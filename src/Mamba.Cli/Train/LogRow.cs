using System.Globalization;
using System.Text;

namespace Mamba.Cli.Train;

/// <summary>A row of the log: a step with its loss, or an evaluation; both in nats.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Loss">The loss of the step; null for an evaluation.</param>
/// <param name="HeldOut">The evaluation; null for a step.</param>
internal sealed record LogRow(long Step, double? Loss, double? HeldOut)
{
    private const int Cells = 8, LongestLine = 1 << 12;
    private const string Skipped = "skipped";

    /// <summary>The cells between the loss and the evaluation, with their commas.</summary>
    public required string Rest { get; init; }

    /// <summary>Whether the step changed nothing.</summary>
    public bool IsSkipped { get; init; }

    /// <summary>The line of the file, without its end.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Step},{Loss:R},{Rest},{HeldOut:R},{(IsSkipped ? Skipped : "")}");

    /// <summary>Reads a line with its end; what is too long for a row is cut. Null at the end of the file.</summary>
    public static string? ReadLine(TextReader reader)
    {
        StringBuilder line = new();
        int next;
        while ((next = reader.Read()) >= 0)
        {
            if (line.Length < LongestLine || next == '\n')
            {
                line.Append((char)next);
            }

            if (next == '\n')
            {
                break;
            }
        }

        return line.Length == 0 ? null : line.ToString();
    }

    /// <summary>Reads a row; null if it is damaged or has no end.</summary>
    public static LogRow? Parse(string line)
    {
        string[] cells = line.TrimEnd().Split(',');
        if (!line.EndsWith('\n') || cells.Length != Cells || cells[^1] is not ("" or Skipped)
            || !long.TryParse(cells[0], NumberStyles.None, CultureInfo.InvariantCulture, out long step))
        {
            return null;
        }

        double?[] numbers = Array.ConvertAll(cells[1..^1], cell => Number(cell));
        bool isDamaged = cells[1..^1].Zip(numbers).Any(pair => pair.First.Length > 0 && pair.Second is null);
        (double? loss, double? heldOut) = (numbers[0], numbers[^1]);
        return isDamaged || loss is null == heldOut is null
            ? null
            : new(step, loss, heldOut) { Rest = string.Join(',', cells[2..^2]), IsSkipped = cells[^1] == Skipped };
    }

    private static double? Number(string cell) =>
        double.TryParse(cell, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? number : null;
}
