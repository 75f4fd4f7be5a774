using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Mamba.Devices;
using Mamba.Models;
using Mamba.Text;
using Mamba.Text.Chat;

namespace Mamba.Cli.Text;

/// <summary><c>mamba generate</c>: continues a text.</summary>
internal static class GenerateCommand
{
    public static Command Create()
    {
        Command command = new("generate", "Generates text from a prompt.");
        TextOptions options = new(command, tokens: 400);
        Option<string?> prompt = new("--prompt")
        {
            Description = "Text to continue. [default: standard input]",
            HelpName = "text",
        };
        command.Add(prompt);
        command.SetAction((parsed, cancellation) => Program.Guard(command.Name, () => RunAsync(
            options.Read(parsed), parsed.GetValue(prompt), cancellation)));
        return command;
    }

    private static async Task<int> RunAsync(TextSettings settings, string? prompt, CancellationToken cancellation)
    {
        prompt ??= await Terminal.Input().ReadToEndAsync(cancellation);
        if (prompt.Length == 0)
        {
            throw new InvalidDataException("--prompt: expected at least one character; found none.");
        }

        string folder = ModelFolder.Find(settings.Model);
        using Device device = settings.Device.Open();
        using MambaLanguageModel model = MambaLanguageModel.Load(folder, device, precision: settings.Weights);
        TextTokenizer tokenizer = ModelTokenizer.Load(settings.Tokenizer ?? folder, model.Config.VocabularySize);
        await using StreamWriter output = Terminal.Output();
        int[] tokens = tokenizer.Encode(prompt);

        // One decoder for all: some cut the first space of a text.
        TokenDecoder decoder = tokenizer.CreateDecoder(skipSpecialTokens: true);
        string read = string.Concat(tokens.Select(decoder.Append));
        await output.WriteAsync(read.AsMemory(), cancellation);

        StopFinder stops = new(settings.Stops);
        long start = Stopwatch.GetTimestamp(), firstAt = start;
        int count = 0;
        await foreach (int token in model.GenerateAsync(tokens, settings.Generation, null, cancellation))
        {
            firstAt = count++ == 0 ? Stopwatch.GetTimestamp() : firstAt;
            await output.WriteAsync(stops.Append(decoder.Append(token)).AsMemory(), cancellation);
            if (stops.IsFound)
            {
                break;
            }
        }

        await output.WriteAsync((stops.Append(decoder.Finish()) + stops.Finish() + "\n").AsMemory(), cancellation);
        string seconds = Stopwatch.GetElapsedTime(start, firstAt).TotalSeconds.ToString(
            "0.00", CultureInfo.InvariantCulture);
        await Console.Error.WriteLineAsync(
            $"prompt: {tokens.Length} tokens, {seconds} s; then {Terminal.Speed(count, firstAt)}");
        return 0;
    }
}
