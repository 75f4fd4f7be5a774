using System.Diagnostics;
using System.Text.Json;
using Mamba.Devices;
using Mamba.Models;

namespace Mamba.Conformance.Cases;

/// <summary>
/// A GGUF file of a list, files.json, that says of each whether it loads: with the logits of base.expected.safetensors
/// beside it, if there is such a file. Others are refused with one message, soon and without large allocations.
/// </summary>
internal static class GgufFileCase
{
    private const long MostBytes = 16 << 20;
    private const int MostMilliseconds = 2000;

    /// <summary>The files of a list with what is expected of each.</summary>
    public static IEnumerable<(string Path, string Expected)> In(string list)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(list));
        foreach (JsonElement item in json.RootElement.EnumerateArray())
        {
            string file = item.GetProperty("file").GetString()!;
            bool isEither = file.StartsWith("either", StringComparison.Ordinal);
            yield return (
                Path.Combine(Path.GetDirectoryName(list)!, file),
                isEither ? "either" : item.GetProperty("expect").GetString()!);
        }
    }

    public static void Run(Device device, string path, string expected, Report report)
    {
        long start = Stopwatch.GetTimestamp(), before = GC.GetAllocatedBytesForCurrentThread();
        string? refusal = null;
        try
        {
            using MambaLanguageModel model = MambaLanguageModel.Load(path, device);
            CompareLogits(device, model, path, report);
        }
        catch (Exception exception) when (exception is InvalidDataException or NotSupportedException)
        {
            refusal = exception.Message;
            report.Note = $"refused: {refusal.ReplaceLineEndings(" ")}";
        }

        report.Check("memory", GC.GetAllocatedBytesForCurrentThread() - before < MostBytes);
        report.Check("time", Stopwatch.GetElapsedTime(start).TotalMilliseconds < MostMilliseconds);
        report.Check(
            $"expected: {expected}",
            expected.StartsWith("either", StringComparison.Ordinal)
                || refusal is null == expected.StartsWith("loads", StringComparison.Ordinal));
        report.Check(
            "one line that names the file",
            refusal is null || (!refusal.Contains('\n') && refusal.Contains(Path.GetFileName(path)[..8])));
    }

    private static void CompareLogits(Device device, MambaLanguageModel model, string path, Report report)
    {
        string expected = Path.Combine(Path.GetDirectoryName(path)!, "base.expected.safetensors");
        if (File.Exists(expected))
        {
            using Golden golden = new(expected);
            GgufModelCase.CompareLogits(device, model, golden.Integers("in.input_ids"), golden, report);
        }
    }
}
