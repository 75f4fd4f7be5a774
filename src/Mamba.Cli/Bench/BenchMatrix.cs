using System.Diagnostics;
using System.Globalization;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Models;

namespace Mamba.Cli.Bench;

/// <summary>Measures one model with several lengths and numbers of threads; a row for each.</summary>
internal static class BenchMatrix
{
    private const int WarmUpTokens = 16;

    /// <summary>Measures.</summary>
    /// <param name="settings">What to measure; of prompt, tokens and threads the lists count.</param>
    /// <param name="prompts">Lengths of prompts; 0 is none.</param>
    /// <param name="tokens">Numbers of tokens to write; 0 is none.</param>
    /// <param name="threads">Numbers of threads; 0: as many as the device chooses.</param>
    /// <param name="cancellation">Looked at before every piece.</param>
    public static List<BenchRow> Run(
        BenchSettings settings, int[] prompts, int[] tokens, int[] threads, CancellationToken cancellation)
    {
        settings.Validate();
        List<BenchRow> rows = [];
        foreach (int count in threads)
        {
            using Device device = DeviceSetting.Read(settings.Device, count).Open();
            using MambaLanguageModel model = BenchRun.Load(settings, device);
            BenchRow row = new()
            {
                Model = settings.Preset ?? settings.Folder!,
                Parameters = model.ParameterCount,
                Weights = Options.NameOf(settings.Weights ?? model.Embedding.Weight.Value.Precision),
                Threads = device is CpuDevice cpu ? cpu.Threads : null,
                Device = device.Description,
                Batch = settings.Batch,
            };
            foreach ((string kind, int[] lengths) in new[] { ("pp", prompts), ("tg", tokens) })
            {
                foreach (int length in lengths.Where(length => length > 0))
                {
                    double[] rates = Rates(model, settings, kind == "pp", length, cancellation);
                    rows.Add(row with { Test = $"{kind}{length}", Rates = rates });
                }
            }
        }

        return rows;
    }

    /// <summary>Rows as a table in Markdown, as CSV, or as JSON.</summary>
    public static string Write(IReadOnlyList<BenchRow> rows, string format) => format switch
    {
        "json" => JsonText.Of(rows),
        "csv" => string.Join('\n', rows.Select(row => string.Join(',', Cells(row).Select(Quoted))).Prepend(
            string.Join(',', BenchRow.Columns))),
        _ => Table(rows),
    };

    private static double[] Rates(
        MambaLanguageModel model, BenchSettings settings, bool isPrompt, int length, CancellationToken cancellation)
    {
        BenchRun run = new(settings, model, cancellation);
        (int prompt, int written) = isPrompt ? (length, 0) : (1, length);
        run.Pass(prompt, isPrompt ? 0 : Math.Min(length, WarmUpTokens));
        double[] rates = new double[settings.Repeat];
        for (int i = 0; i < rates.Length; i++)
        {
            (double prefill, double[] steps) = run.Pass(prompt, written);
            rates[i] = (double)settings.Batch * length / (isPrompt ? prefill : steps.Sum());
        }

        return rates;
    }

    private static string Table(IReadOnlyList<BenchRow> rows)
    {
        string[] heads = ["model", "params", "weights", "threads", "batch", "test", "t/s"];
        string[][] cells =
        [
            heads,
            .. rows.Select(row => new[]
            {
                row.Model, Text($"{row.Parameters / 1e6:0.0} M"), row.Weights, Text($"{row.Threads}"),
                Text($"{row.Batch}"), row.Test, Text($"{row.Mean:0.00} ± {row.Deviation:0.00}"),
            }),
        ];
        int[] widths = [.. heads.Select((_, column) => cells.Max(row => row[column].Length))];
        IEnumerable<string> lines = cells.Select(row => $"| {string.Join(" | ", row.Select((cell, i) =>
            i == 0 ? cell.PadRight(widths[i]) : cell.PadLeft(widths[i])))} |");
        string rule = $"| {string.Join(" | ", widths.Select((width, i) =>
            i == 0 ? new string('-', width) : new string('-', width - 1) + ":"))} |";
        return string.Join('\n', lines.Take(1).Append(rule).Concat(lines.Skip(1)));
    }

    private static IEnumerable<string> Cells(BenchRow row) =>
    [
        row.Model, Text($"{row.Parameters}"), row.Weights, Text($"{row.Threads}"), Text($"{row.Batch}"), row.Test,
        Text($"{row.Mean:0.######}"), Text($"{row.Deviation:0.######}"), row.Device,
    ];

    private static string Quoted(string cell) =>
        cell.AsSpan().IndexOfAny(",\"\n") >= 0 ? $"\"{cell.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : cell;

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
