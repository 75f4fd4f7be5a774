using System.Diagnostics;
using System.Text.Json;
using Mamba.Cpu;
using Mamba.Models;

namespace Mamba.Benchmarks.Quick;

/// <summary>What loading a model and decoding with it took.</summary>
/// <param name="Seconds">Time to load, with all that a new process does for the first time.</param>
/// <param name="PrivateBytes">The most memory that was the process' own, as far as it was looked at.</param>
/// <param name="ResidentBytes">The most memory, with the pages of the file that were mapped.</param>
internal sealed record LoadReport(double Seconds, long PrivateBytes, long ResidentBytes);

/// <summary>Loads a model in a process of its own, whose memory is thus that of the model.</summary>
internal static class LoadCommand
{
    public const string Name = "load";

    private const int Decoded = 8;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(5);

    /// <summary>Starts this program once more, with a folder to load.</summary>
    public static LoadReport Start(string folder)
    {
        string program = Environment.ProcessPath!;
        bool isHost = Path.GetFileNameWithoutExtension(program) == "dotnet";
        string[] arguments = isHost ? [typeof(LoadCommand).Assembly.Location, Name, folder] : [Name, folder];
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        string report = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0
            ? JsonSerializer.Deserialize<LoadReport>(report)!
            : throw new InvalidOperationException($"The process that loads ended with code {process.ExitCode}.");
    }

    /// <summary>Loads the model of a folder, decodes some tokens and prints the report.</summary>
    public static int Run(string folder)
    {
        long peak = 0;
        double seconds;
        using (new Timer(_ => peak = Math.Max(peak, ProcessMemory.PrivateBytes()), null, TimeSpan.Zero, Interval))
        {
            using CpuDevice device = new();
            long start = Stopwatch.GetTimestamp();
            using MambaLanguageModel loaded = MambaLanguageModel.Load(folder, device);
            seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            using BenchModel model = new(loaded);
            for (int i = 0; i < Decoded; i++)
            {
                model.Step();
            }

            peak = Math.Max(peak, ProcessMemory.PrivateBytes());
        }

        Console.WriteLine(JsonSerializer.Serialize(new LoadReport(seconds, peak, ProcessMemory.PeakBytes())));
        return 0;
    }
}
