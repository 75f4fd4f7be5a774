using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Mamba.Cli.Text;

/// <summary>Text in and out, as UTF-8 whatever the console's own encoding is.</summary>
internal static class Terminal
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    /// <summary>A writer of standard output; what is written appears at once.</summary>
    public static StreamWriter Output() => new(Console.OpenStandardOutput(), Utf8) { AutoFlush = true };

    /// <summary>A reader of standard input.</summary>
    public static TextReader Input() =>
        Console.IsInputRedirected ? new StreamReader(Console.OpenStandardInput(), Utf8) : Console.In;

    /// <summary>How fast something was, for example <c>40 tokens, 12.3 tokens/s</c>.</summary>
    /// <param name="tokens">Number of tokens.</param>
    /// <param name="start">When it began: a timestamp of <see cref="Stopwatch"/>.</param>
    public static string Speed(long tokens, long start)
    {
        double seconds = Math.Max(Stopwatch.GetElapsedTime(start).TotalSeconds, 1e-6);
        return string.Create(CultureInfo.InvariantCulture, $"{tokens} tokens, {tokens / seconds:0.0} tokens/s");
    }
}
