using System.CommandLine;
using System.CommandLine.Invocation;
using System.Runtime.InteropServices;
using Mamba.Cli.Bench;
using Mamba.Cli.Files;
using Mamba.Cli.Serve;
using Mamba.Cli.Text;
using Mamba.Cli.Train;

namespace Mamba.Cli;

/// <summary>The program <c>mamba</c>.</summary>
internal static class Program
{
    private const int Failed = 1;
    private const int Interrupted = 130, HungUp = 129, Terminated = 143; // 128 and the signal, as shells report it

    private static bool _isVerbose; // whether errors come with their stack traces

    private static async Task<int> Main(string[] arguments)
    {
        using CancellationTokenSource interrupted = new();
        int signalled = Interrupted;
        void Interrupt(PosixSignalContext signal)
        {
            signal.Cancel = !interrupted.IsCancellationRequested; // a second signal ends the process at once
            if (signal.Cancel)
            {
                signalled = signal.Signal switch
                {
                    PosixSignal.SIGHUP => HungUp,
                    PosixSignal.SIGTERM => Terminated,
                    _ => Interrupted,
                };
                interrupted.Cancel();
            }
        }

        using PosixSignalRegistration key = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
        using PosixSignalRegistration end = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
        using PosixSignalRegistration hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Interrupt);
        RootCommand root = new("Trains, runs and measures selective state space models (Mamba).")
        {
            TrainCommand.Create(),
            GenerateCommand.Create(),
            ChatCommand.Create(),
            ServeCommand.Create(),
            PerplexityCommand.Create(),
            BenchCommand.Create(),
            PullCommand.Create(),
            InspectCommand.Create(),
            ConvertCommand.Create(),
            ConvertCommand.CreateQuantize(),
            TokenizeCommand.Create(),
            DevicesCommand.Create(),
            CompletionCommand.Create(),
        };
        Option<bool> verbose = new("--verbose")
        {
            Description = "Print where an error arose.",
            Recursive = true,
        };
        root.Add(verbose);
        Help.Use(root);
        string[]? completed = CompletionCommand.Words(arguments);
        ParseResult parsed = root.Parse(completed ?? (arguments.Length > 0 ? arguments : ["--help"]));
        if (parsed.Action is not Help && completed is null)
        {
            string? fault = UnknownWord.Find(parsed, arguments);
            if (fault is null && parsed.Action is ParseErrorAction)
            {
                fault = string.Join(' ', parsed.Errors.Select(error => error.Message));
            }

            if (fault is not null)
            {
                return Complain(Help.NameOf(parsed.CommandResult.Command), fault);
            }
        }

        _isVerbose = parsed.GetValue(verbose);
        int code = await parsed.InvokeAsync(new() { ProcessTerminationTimeout = null }, interrupted.Token);
        return code == Interrupted ? signalled : arguments.Length == 0 ? Failed : code;
    }

    /// <summary>Runs a command. Expected exceptions, such as bad input, become one line and an exit code.</summary>
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
            return Complain($"mamba {command}", exception.Message, _isVerbose ? exception : null);
        }
    }

    private static int Complain(string program, string message, Exception? cause = null)
    {
        try
        {
            Console.Error.WriteLine($"{program}: {message.ReplaceLineEndings(" ")}");
            if (cause is not null)
            {
                Console.Error.WriteLine(cause);
            }
        }
        catch (IOException)
        {
            // Standard error is closed; the exit code reports the failure.
        }

        return Failed;
    }

    private static bool IsExpected(Exception exception) =>
        exception is IOException or InvalidDataException or ArgumentException or InvalidOperationException
            or NotSupportedException or UnauthorizedAccessException or ArithmeticException or OutOfMemoryException
            or HttpRequestException or TimeoutException;
}
