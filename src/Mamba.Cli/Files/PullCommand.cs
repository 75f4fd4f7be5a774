using System.CommandLine;
using System.Globalization;
using Mamba.Models;

namespace Mamba.Cli.Files;

/// <summary><c>mamba pull</c>: downloads a published model.</summary>
internal static class PullCommand
{
    public static Command Create()
    {
        Argument<string> model = new("model")
        {
            Description =
                "A name on the hub: org/name, then optionally @ and a revision, and : and a GGUF file or a part of " +
                "its name.",
        };
        Option<bool> json = JsonText.Option("Print one JSON object: the path.");
        Command command = new("pull", "Downloads a model from Hugging Face's hub into the cache, and prints its path.")
        {
            model, json,
        };
        command.SetAction((parsed, cancellation) => Program.Guard(
            command.Name, () => RunAsync(parsed.GetRequiredValue(model), parsed.GetValue(json), cancellation)));
        return command;
    }

    private static async Task<int> RunAsync(string model, bool isJson, CancellationToken cancellation)
    {
        using ModelHub hub = new();
        DownloadLine line = new();
        string path;
        try
        {
            path = await hub.DownloadAsync(model, line, cancellation);
        }
        finally
        {
            line.Clear();
        }

        Console.WriteLine(isJson ? JsonText.Of(new { Path = path }) : path);
        return 0;
    }

    /// <summary>How far a download has come, in a line on the terminal; nothing if the output is no terminal.</summary>
    private sealed class DownloadLine : IProgress<HubProgress>
    {
        private const int BarWidth = 24;
        private const string ClearLine = "\r\u001b[K";

        private readonly bool _isTerminal = !Console.IsErrorRedirected;
        private long _lastTicks;

        public void Report(HubProgress value)
        {
            if (!_isTerminal || (Environment.TickCount64 - _lastTicks < 100 && value.Bytes < value.TotalBytes))
            {
                return;
            }

            _lastTicks = Environment.TickCount64;
            double part = value.TotalBytes > 0 ? (double)value.Bytes / value.TotalBytes : 1;
            int done = (int)(BarWidth * part);
            string bar = $"[{new string('#', done)}{new string('.', BarWidth - done)}]";
            Console.Error.Write(string.Create(
                CultureInfo.InvariantCulture,
                $"{ClearLine}{bar} {value.Bytes / 1e6:N0} of {value.TotalBytes / 1e6:N0} MB  {value.File}"));
        }

        public void Clear()
        {
            if (_isTerminal)
            {
                Console.Error.Write(ClearLine);
            }
        }
    }
}
