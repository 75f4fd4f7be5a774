using System.CommandLine;
using Mamba.Cli.Training;

namespace Mamba.Cli;

/// <summary>The program <c>mamba</c>.</summary>
internal static class Program
{
    private const int Failed = 1;

    private static Task<int> Main(string[] arguments) =>
        new RootCommand("Selective state-space models: trains them, and continues texts.")
        {
            TrainCommand.Create(),
            GenerateCommand.Create(),
        }
        .Parse(arguments)
        .InvokeAsync();

    /// <summary>Runs a command; what can go wrong with its input ends as one line and an exit code.</summary>
    public static async Task<int> Guard(string command, Func<Task<int>> run)
    {
        try
        {
            return await run();
        }
        catch (Exception exception) when (IsExpected(exception))
        {
            await Console.Error.WriteLineAsync($"mamba {command}: {exception.Message.ReplaceLineEndings(" ")}");
            return Failed;
        }
    }

    private static bool IsExpected(Exception exception) =>
        exception is IOException or InvalidDataException or ArgumentException or InvalidOperationException
            or NotSupportedException or UnauthorizedAccessException or ArithmeticException or InsufficientMemoryException;
}
