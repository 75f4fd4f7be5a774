using System.Diagnostics;
using System.Text.Json;
using Mamba.Cpu;
using Mamba.Models;

namespace Mamba.Benchmarks.Quick;

/// <summary>Time and memory for loading a model and decoding with it.</summary>
/// <param name="Seconds">Time to load, including JIT compilation in a new process.</param>
/// <param name="PrivateBytes">Largest private memory of the process among samples.</param>
/// <param name="ResidentBytes">Largest resident memory, including pages of the mapped file.</param>
internal sealed record LoadReport(double Seconds, long PrivateBytes, long ResidentBytes);

/// <summary>Loads a model in its own process, so that the memory measured is the model's.</summary>
internal static class LoadCommand
{
    public const string Name = "load";

    private const int Decoded = 8;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(5);

    /// <summary>Starts this program again, with a folder to load.</summary>
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
