using System.CommandLine;
using System.CommandLine.Invocation;
using System.Runtime.InteropServices;
using Mamba.Cli.Bench;
using Mamba.Cli.Training;

namespace Mamba.Cli;

/// <summary>The program <c>mamba</c>.</summary>
internal static class Program
{
    private const int Failed = 1, Interrupted = 130; // as shells report a program that Ctrl+C ended

    private static async Task<int> Main(string[] arguments)
    {
        using CancellationTokenSource interrupted = new();
        void Interrupt(PosixSignalContext signal)
        {
            signal.Cancel = !interrupted.IsCancellationRequested; // the second time, the process ends at once
            interrupted.Cancel();
        }

        using PosixSignalRegistration key = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
        using PosixSignalRegistration end = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
        RootCommand root = new("Selective state-space models: trains them, and continues texts.")
        {
            TrainCommand.Create(),
            GenerateCommand.Create(),
            BenchCommand.Create(),
        };
        ParseResult parsed = root.Parse(arguments);
        if (parsed.Action is ParseErrorAction && arguments.Length > 0)
        {
            Command command = parsed.CommandResult.Command;
            string program = command is RootCommand ? "mamba" : $"mamba {command.Name}";
            await Complain(program, string.Join(' ', parsed.Errors.Select(error => error.Message)));
            return Failed;
        }

        return await parsed.InvokeAsync(new() { ProcessTerminationTimeout = null }, interrupted.Token);
    }

    /// <summary>Runs a command; what can go wrong with its input ends as one line and an exit code.</summary>
    public static async Task<int> Guard(string command, Func<Task<int>> run)
    {
        try
        {
            return await run();
        }
        catch (OperationCanceledException)
        {
            return Interrupted;
        }
        catch (Exception exception) when (IsExpected(exception))
        {
            await Complain($"mamba {command}", exception.Message);
            return Failed;
        }
    }

    private static Task Complain(string program, string message) =>
        Console.Error.WriteLineAsync($"{program}: {message.ReplaceLineEndings(" ")}");

    private static bool IsExpected(Exception exception) =>
        exception is IOException or InvalidDataException or ArgumentException or InvalidOperationException
            or NotSupportedException or UnauthorizedAccessException or ArithmeticException or OutOfMemoryException;
}
