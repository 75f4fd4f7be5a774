using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using Mamba.Cpu;
using Mamba.Memory;
using Spectre.Console;

namespace Mamba.Cli.Bench;

/// <summary><c>mamba bench</c>: how fast a model reads and writes on this machine, and what memory it takes.</summary>
internal static class BenchCommand
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // names of devices as they are; no page shows this
        WriteIndented = true,
    };

    public static Command Create()
    {
        Argument<string?> folder = new("model")
        {
            Description = "A model's folder, with config.json and weights, or a GGUF file.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<string?> preset = new("--preset")
        {
            Description = $"Instead of a folder, a published size with random weights: {Presets.Names}.",
            HelpName = "name",
        };
        Option<int> prompt = Options.Positive("--prompt", "Tokens in the prompt.", 512);
        Option<int> tokens = Options.Positive("--tokens", "Tokens to generate, one by one.", 128);
        Option<int> batch = Options.Positive("--batch", "Number of conversations at once.", 1);
        Option<int> repeat = Options.Positive("--repeat", "Number of measurements; the median is reported.", 3);
        Option<Precision?> weights = Options.Weights();
        Option<string> device = new("--device")
        {
            Description = DeviceSetting.Description,
            HelpName = "name",
            DefaultValueFactory = _ => "cpu",
        };
        Option<int> threads = Options.Positive(
            "--threads", "CPU threads. [default: one per physical core]", null, CpuDevice.MaxThreads);
        Option<bool> json = new("--json") { Description = "Print one JSON object instead of the table." };
        Command command = new("bench", "Measures the speed and memory of a model.")
        {
            folder, preset, prompt, tokens, batch, repeat, weights, device, threads, json,
        };
        command.SetAction((parsed, cancellation) => Program.Guard(command.Name, () => Task.FromResult(Run(
            new()
            {
                Folder = parsed.GetValue(folder),
                Preset = parsed.GetValue(preset),
                Prompt = parsed.GetValue(prompt),
                Tokens = parsed.GetValue(tokens),
                Batch = parsed.GetValue(batch),
                Repeat = parsed.GetValue(repeat),
                Weights = parsed.GetValue(weights),
                Device = parsed.GetValue(device)!,
                Threads = parsed.GetValue(threads),
            },
            parsed.GetValue(json),
            cancellation))));
        return command;
    }

    private static int Run(BenchSettings settings, bool isJson, CancellationToken cancellation)
    {
        if (isJson)
        {
            BenchReport report = BenchRun.Run(settings, BenchScreen.Silence, cancellation);
            Console.WriteLine(JsonSerializer.Serialize(report, Json));
        }
        else
        {
            IAnsiConsole console = AnsiConsole.Console;
            BenchReport report = BenchScreen.Watch(console, progress => BenchRun.Run(settings, progress, cancellation));
            BenchScreen.Write(console, report);
        }

        return 0;
    }
}
