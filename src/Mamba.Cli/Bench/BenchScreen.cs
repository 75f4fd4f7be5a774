using System.Globalization;
using Spectre.Console;

namespace Mamba.Cli.Bench;

/// <summary>Shows what <c>mamba bench</c> does on a terminal, and what it has measured anywhere.</summary>
internal static class BenchScreen
{
    /// <summary>Runs a measurement and shows its progress.</summary>
    public static BenchReport Watch(IAnsiConsole console, Func<IProgress<string>, BenchReport> run) =>
        console.Profile.Capabilities.Interactive && console.Profile.Out.IsTerminal
            ? console.Status().Start("starting", context => run(new Line(text => context.Status(Markup.Escape(text)))))
            : run(Silence);

    /// <summary>A progress that nobody sees.</summary>
    public static IProgress<string> Silence { get; } = new Line(_ => { });

    /// <summary>Writes all figures as a table.</summary>
    public static void Write(IAnsiConsole console, BenchReport report) => Summary.Write(console, [
        ("model", Text($"{report.Model}: {report.Parameters:N0} parameters, {report.Weights}")),
        ("work", Text($"prompt {report.Prompt}, tokens {report.Tokens}, batch {report.Batch}, repeat {report.Repeat}")),
        (report.IsPreset ? "random weights in" : "load", Text($"{report.LoadSeconds:0.00} s")),
        ("prefill", Text($"{Rate(report.PrefillTokensPerSecond)} tokens/s")),
        ("decode", Text($"{Rate(report.DecodeTokensPerSecond)} tokens/s")),
        .. report.Batch > 1 ? PerConversation(report) : [],
        ("a decoded token, median", Text($"{report.LatencyMs.P50:0.00} ms")),
        ("a decoded token, p90", Text($"{report.LatencyMs.P90:0.00} ms")),
        ("a decoded token, p99", Text($"{report.LatencyMs.P99:0.00} ms")),
        ("a decoded token, maximum", Text($"{report.LatencyMs.Max:0.00} ms")),
        ("device memory", Megabytes(report.DeviceBytes)),
        ("process memory, peak", report.PeakWorkingSetBytes is { } bytes ? Megabytes(bytes) : "unknown"),
        ("device", report.Device),
        ("runtime", report.Framework),
        ("system", report.System)]);

    private static (string Name, string Value)[] PerConversation(BenchReport report) =>
        [("decode, per conversation", Text($"{Rate(report.DecodeTokensPerSecondPerConversation)} tokens/s"))];

    private static string Rate(double value) =>
        value.ToString(value < 100 ? "0.0" : "N0", CultureInfo.InvariantCulture);

    private static string Megabytes(long bytes) => Text($"{bytes / 1e6:N0} MB");

    private static string Text(FormattableString text) => FormattableString.Invariant(text);

    private sealed class Line(Action<string> show) : IProgress<string>
    {
        public void Report(string value) => show(value);
    }
}
