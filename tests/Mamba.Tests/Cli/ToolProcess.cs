using System.Diagnostics;

namespace Mamba.Tests.Cli;

/// <summary><c>mamba</c> as a process of its own.</summary>
internal static class ToolProcess
{
    /// <summary>Starts the program; its output is read by the caller.</summary>
    public static Process Start(params string[] arguments)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "Mamba.Cli.dll");
        ProcessStartInfo start = new("dotnet", [program, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        return Process.Start(start) ?? throw new InvalidOperationException("dotnet did not start.");
    }

    /// <summary>Runs the program by a line of a shell, in which <c>$mamba</c> starts it.</summary>
    public static Task<(int Code, string Output, string Error)> RunShellAsync(string line)
    {
        ProcessStartInfo start = new("bash", ["-c", line])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["mamba"] = $"dotnet {Path.Combine(AppContext.BaseDirectory, "Mamba.Cli.dll")}";
        return EndOf(Process.Start(start) ?? throw new InvalidOperationException("bash did not start."));
    }

    /// <summary>Sends a signal to a process.</summary>
    public static async Task SignalAsync(Process process, string signal)
    {
        using Process kill = Process.Start("kill", [$"-{signal}", $"{process.Id}"]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>Waits until a run has reported its first step.</summary>
    public static async Task FirstStepAsync(Process process)
    {
        while (await process.StandardOutput.ReadLineAsync() is { } line
            && !line.StartsWith("step ", StringComparison.Ordinal))
        {
        }
    }

    /// <summary>Runs the program to its end.</summary>
    public static Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments) =>
        EndOf(Start(arguments));

    private static async Task<(int Code, string Output, string Error)> EndOf(Process started)
    {
        using Process process = started;
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        Task<string> output = process.StandardOutput.ReadToEndAsync(cancellation);
        Task<string> error = process.StandardError.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        return (process.ExitCode, await output, await error);
    }
}
