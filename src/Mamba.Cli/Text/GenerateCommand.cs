using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Mamba.Devices;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Text;

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

        // One text for all: some tokenizers cut the first space of a text.
        GeneratedText text = new(tokenizer, settings.Stops);
        await output.WriteAsync(text.Begin(tokens).AsMemory(), cancellation);

        GenerationOptions options = settings.Generation with { StopRule = StopStrings.Rule(tokenizer, settings.Stops) };
        long start = Stopwatch.GetTimestamp(), firstAt = start;
        int count = 0;
        await foreach (GeneratedToken token in model.GenerateTokensAsync(tokens, options, null, cancellation))
        {
            firstAt = count++ == 0 ? Stopwatch.GetTimestamp() : firstAt;
            await output.WriteAsync(text.Append(token).Text.AsMemory(), cancellation);
        }

        await output.WriteAsync((text.Finish().Text + "\n").AsMemory(), cancellation);
        string seconds = Stopwatch.GetElapsedTime(start, firstAt).TotalSeconds.ToString(
            "0.00", CultureInfo.InvariantCulture);
        await Console.Error.WriteLineAsync(
            $"prompt: {tokens.Length} tokens, {seconds} s; then {Terminal.Speed(count, firstAt)}");
        return 0;
    }
}
