using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using Mamba.Devices;

namespace Mamba.Benchmarks.Quick;

/// <summary>Measures the rows one after the other and prints them as a table, or as JSON.</summary>
internal static class QuickCommand
{
    private const string Usage = "Usage: quick [--json] [--filter TEXT]";

    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // × as it is
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

        if (json)
        {
            PrintJson(rows);
        }
        else
        {
            PrintTable(rows);
        }

        return 0;
    }

    private static void PrintJson(QuickRow[] rows)
    {
        var results = rows.Select(row => new
        {
            name = row.Name,
            value = row.Measure(),
            unit = row.Unit,
            goal = row.Goal,
            better = row.LowerIsBetter ? "lower" : "higher",
        });
        Console.WriteLine(JsonSerializer.Serialize(results, Json));
    }

    private static void PrintTable(QuickRow[] rows)
    {
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
            double value = row.Measure();
            Console.Write($"  {Format(value),9}  {row.Unit.PadRight(unitWidth)}  ");
            Console.WriteLine(row.Goal is null ? $"{"-",11}" : Judge(row, value, row.Goal.Value));
        }
    }

    private static string Judge(QuickRow row, double value, double goal)
    {
        bool reached = row.LowerIsBetter ? value <= goal : value >= goal;
        return $"{(row.LowerIsBetter ? "<= " : ">= ") + Format(goal),11}  {(reached ? "ok" : "missed")}";
    }

    /// <summary>Four digits that say something, more for large numbers.</summary>
    public static string Format(double value)
    {
        int decimals = Math.Abs(value) switch { >= 1000 => 0, >= 100 => 1, >= 10 => 2, _ => 3 };
        return value.ToString($"F{decimals}", CultureInfo.InvariantCulture);
    }
}
