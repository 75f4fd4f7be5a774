using System.CommandLine;
using Mamba.Cpu;
using Mamba.Memory;
using Spectre.Console;

namespace Mamba.Cli.Bench;

/// <summary><c>mamba bench</c>: how fast a model reads and writes on this machine, and what memory it takes.</summary>
internal static class BenchCommand
{
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
        Option<int[]> prompt = Options.Numbers("--prompt", "-p", "Tokens in the prompt.", "512", 0);
        Option<int[]> tokens = Options.Numbers("--tokens", "-n", "Tokens to generate, one by one.", "128", 0);
        Option<int> batch = Options.Positive("--batch", "Number of conversations at once.", 1);
        Option<int> repeat = Options.Positive(
            "--repeat", "Number of measurements. The table has the median, --output mean and standard deviation.", 3);
        repeat.Aliases.Add("-r");
        Option<Precision?> weights = Options.Weights();
        Option<string> device = new("--device")
        {
            Description = DeviceSetting.Description,
            HelpName = "name",
            DefaultValueFactory = _ => "cpu",
        };
        Option<int[]> threads = Options.Numbers(
            "--threads", "-t", "CPU threads. [default: one per physical core]", null, 1, CpuDevice.MaxThreads);
        Option<string?> output = new("--output", "-o")
        {
            Description = 
                "A row for each length and number of threads, as md, csv or json. Needed for several numbers.",
            HelpName = "format",
        };
        Option<bool> json = JsonText.Option("Print one JSON object instead of the table.");
        Command command = new("bench", "Measures the speed and memory of a model.")
        {
            folder, preset, prompt, tokens, batch, repeat, weights, device, threads, output, json,
        };
        command.SetAction((parsed, cancellation) => Program.Guard(command.Name, () => Task.FromResult(Run(
            new()
            {
                Folder = parsed.GetValue(folder),
                Preset = parsed.GetValue(preset),
                Prompt = Chosen(parsed.GetValue(prompt), 512)[0],
                Tokens = Chosen(parsed.GetValue(tokens), 128)[0],
                Batch = parsed.GetValue(batch),
                Repeat = parsed.GetValue(repeat),
                Weights = parsed.GetValue(weights),
                Device = parsed.GetValue(device)!,
                Threads = Chosen(parsed.GetValue(threads), 0)[0],
            },
            Chosen(parsed.GetValue(prompt), 512),
            Chosen(parsed.GetValue(tokens), 128),
            Chosen(parsed.GetValue(threads), 0),
            parsed.GetValue(output),
            parsed.GetValue(json),
            cancellation))));
        return command;
    }

    /// <summary>The numbers that were typed, or the default.</summary>
    private static int[] Chosen(int[]? typed, int value) => typed is { Length: > 0 } ? typed : [value];

    private static int Run(
        BenchSettings settings,
        int[] prompts,
        int[] tokens,
        int[] threads,
        string? output,
        bool isJson,
        CancellationToken cancellation)
    {
        if (output is not null)
        {
            if (output is not ("md" or "csv" or "json"))
            {
                throw new InvalidDataException($"--output: expected md, csv or json; found \"{output}\".");
            }

            Console.WriteLine(BenchMatrix.Write(
                BenchMatrix.Run(settings, prompts, tokens, threads, cancellation), output));
            return 0;
        }

        if (prompts.Length + tokens.Length + threads.Length > 3 || settings.Prompt * settings.Tokens == 0)
        {
            throw new InvalidDataException(
                "--prompt, --tokens, --threads: expected one positive number each; for several, or for 0, name a " +
                "format with --output.");
        }

        if (isJson)
        {
            BenchReport report = BenchRun.Run(settings, BenchScreen.Silence, cancellation);
            Console.WriteLine(JsonText.Of(report));
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
