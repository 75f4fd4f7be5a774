using System.CommandLine;
using System.Diagnostics;
using Mamba.Devices;
using Mamba.Models;
using Mamba.Models.Serving;
using Mamba.Text;
using Microsoft.Extensions.AI;

namespace Mamba.Cli.Text;

/// <summary><c>mamba chat</c>: a conversation with a model.</summary>
internal static class ChatCommand
{
    private const string Commands = "/rewind takes the last answer back, /clear all of them, /exit ends.";

    public static Command Create()
    {
        Command command = new("chat", $"Talks with a model, line by line. {Commands}");
        TextOptions options = new(command, tokens: 1024);
        Option<string?> system = new("--system")
        {
            Description = "What the model is told before the conversation.",
            HelpName = "text",
        };
        Option<string?> template = new("--template")
        {
            Description = "File of the chat template. [default: the tokenizer's]",
            HelpName = "path",
        };
        command.Add(system);
        command.Add(template);
        command.SetAction((parsed, cancellation) => Program.Guard(command.Name, () => RunAsync(
            options.Read(parsed), parsed.GetValue(system), parsed.GetValue(template), cancellation)));
        return command;
    }

    private static async Task<int> RunAsync(
        TextSettings settings, string? system, string? template, CancellationToken cancellation)
    {
        string folder = ModelFolder.Find(settings.Model);
        using Device device = settings.Device.Open();
        using MambaLanguageModel model = MambaLanguageModel.Load(folder, device, precision: settings.Weights);
        TextTokenizer tokenizer = ModelTokenizer.Load(settings.Tokenizer ?? folder, model.Config.VocabularySize);
        ChatTemplate? own = template is null
            ? null
            : ChatTemplate.Parse(await File.ReadAllTextAsync(template, cancellation));
        if (own is null && tokenizer.ChatTemplate is null)
        {
            throw new InvalidDataException(
                $"{settings.Model}: expected a chat template; the tokenizer has none. Name one with --template, or " +
                "use mamba generate.");
        }

        // The next turn begins with the state after the last answer.
        await using MambaEngine engine = new(model, new() { Slots = 1, ExactPrefixes = false });
        using MambaChatClient client = new(engine, tokenizer, own) { Defaults = settings.Generation };
        await using StreamWriter output = Terminal.Output();
        await TalkAsync(client, new() { Instructions = system, StopSequences = settings.Stops }, output, cancellation);
        return 0;
    }

    private static async Task TalkAsync(
        MambaChatClient client, ChatOptions options, StreamWriter output, CancellationToken cancellation)
    {
        TextReader input = Terminal.Input();
        bool isTerminal = !Console.IsInputRedirected;
        List<ChatMessage> messages = [];
        if (isTerminal)
        {
            await output.WriteLineAsync(Commands);
        }

        while (true)
        {
            await output.WriteAsync(isTerminal ? "> " : "");

            // Reading a console cannot be cancelled; the process ends without waiting for it.
            string? line = await Task.Run(input.ReadLine, cancellation).WaitAsync(cancellation);
            switch (line?.Trim())
            {
                case null or "/exit":
                    return;
                case "":
                    break;
                case "/clear":
                    messages.Clear();
                    break;
                case "/rewind":
                    messages.RemoveRange(Math.Max(messages.Count - 2, 0), Math.Min(messages.Count, 2));
                    break;
                case { } command when command.StartsWith('/'):
                    await Console.Error.WriteLineAsync($"{command}: unknown command. {Commands}");
                    break;
                case { } text:
                    await AnswerAsync(client, messages, text, options, output, cancellation);
                    break;
            }
        }
    }

    private static async Task AnswerAsync(
        MambaChatClient client,
        List<ChatMessage> messages,
        string text,
        ChatOptions options,
        StreamWriter output,
        CancellationToken cancellation)
    {
        List<ChatResponseUpdate> updates = [];
        long start = Stopwatch.GetTimestamp();
        ChatMessage question = new(ChatRole.User, text);
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(
            [.. messages, question], options, cancellation))
        {
            updates.Add(update);
            await output.WriteAsync(update.Text.AsMemory(), cancellation);
        }

        await output.WriteLineAsync();
        ChatResponse response = updates.ToChatResponse();
        messages.Add(question);
        messages.Add(new(ChatRole.Assistant, response.Text));
        UsageDetails usage = response.Usage!;
        await Console.Error.WriteLineAsync(
            $"prompt: {usage.InputTokenCount} tokens, {usage.CachedInputTokenCount} of them cached; " +
            Terminal.Speed(usage.OutputTokenCount!.Value, start));
    }
}
