using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using Mamba.Cpu;

namespace Mamba.Benchmarks.Quick;

/// <summary>Measures the rows and prints them as a table, or as JSON.</summary>
internal static class QuickCommand
{
    private const string Usage = "Usage: quick [--json] [--filter TEXT]";

    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // × unescaped
    };

    public static int Run(ReadOnlySpan<string> options)
    {
        bool json = false;
        string filter = "";
        while (!options.IsEmpty)
        {
            switch (options)
            {
                case ["--json", ..]:
                    json = true;
                    options = options[1..];
                    break;
                case ["--filter", string text, ..]:
                    filter = text;
                    options = options[2..];
                    break;
                default:
                    Console.Error.WriteLine($"Not understood: {string.Join(' ', options)}\n{Usage}");
                    return 2;
            }
        }

        QuickRow[] rows =
            [.. QuickRows.All.Where(row => row.Name.Contains(filter, StringComparison.OrdinalIgnoreCase))];
        if (rows.Length == 0)
        {
            Console.Error.WriteLine($"No row has \"{filter}\" in its name.");
            return 2;
        }

        using QuickBench bench = new();
        bool succeeded = json ? PrintJson(rows, bench) : PrintTable(rows, bench);
        return succeeded ? 0 : 1;
    }

    private static bool PrintJson(QuickRow[] rows, QuickBench bench)
    {
        bool succeeded = true;
        List<object> results = [];
        foreach (QuickRow row in rows)
        {
            (double? value, string? error) = Measure(row, bench);
            succeeded &= error is null;
            string better = row.LowerIsBetter ? "lower" : "higher";
            results.Add(error is null
                ? new { name = row.Name, value, unit = row.Unit, goal = row.Goal, better }
                : new { name = row.Name, value, unit = row.Unit, goal = row.Goal, better, error });
        }

        Console.WriteLine(JsonSerializer.Serialize(results, Json));
        return succeeded;
    }

    private static bool PrintTable(QuickRow[] rows, QuickBench bench)
    {
        bool succeeded = true;
        int nameWidth = rows.Max(row => row.Name.Length), unitWidth = rows.Max(row => row.Unit.Length);
        using (CpuDevice device = new())
        {
            string framework = RuntimeInformation.FrameworkDescription, system = RuntimeInformation.OSDescription;
            Console.WriteLine($"{device} | {framework} | {system}");
        }

        Console.WriteLine();
        Console.WriteLine($"{"name".PadRight(nameWidth)}  {"value",9}  {"unit".PadRight(unitWidth)}  {"goal",11}");
        Console.WriteLine(new string('-', nameWidth + unitWidth + 32));
        foreach (QuickRow row in rows)
        {
            Console.Write(row.Name.PadRight(nameWidth));
            (double? measured, string? error) = Measure(row, bench);
            succeeded &= error is null;
            Console.WriteLine(measured is { } value
                ? $"  {Format(value),9}  {row.Unit.PadRight(unitWidth)}  {Judge(row, value)}"
                : $"  {"failed",9}  {error}");
        }

        return succeeded;
    }

    /// <summary>Measures a row. An error is reported in its place, and the other rows are still measured.</summary>
    private static (double? Value, string? Error) Measure(QuickRow row, QuickBench bench)
    {
        try
        {
            return (row.Measure(bench), null);
        }
        catch (Exception exception)
        {
            return (null, $"{exception.GetType().Name}: {exception.Message}");
        }
    }

    private static string Judge(QuickRow row, double value)
    {
        if (row.Goal is not { } goal)
        {
            return $"{"-",11}";
        }

        bool reached = row.LowerIsBetter ? value <= goal : value >= goal;
        return $"{(row.LowerIsBetter ? "<= " : ">= ") + Format(goal),11}  {(reached ? "ok" : "missed")}";
    }

    /// <summary>Four significant digits, or more for large numbers.</summary>
    public static string Format(double value)
    {
        int decimals = Math.Abs(value) switch { >= 1000 => 0, >= 100 => 1, >= 10 => 2, _ => 3 };
        return value.ToString($"F{decimals}", CultureInfo.InvariantCulture);
    }
}
