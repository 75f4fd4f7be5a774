using System.CommandLine;
using Mamba.Devices;
using Mamba.Models;
using Mamba.Models.Serving;
using Mamba.Text;
using Microsoft.Extensions.AI;

namespace Mamba.Cli.Text;

/// <summary><c>mamba chat</c>: a conversation with a model.</summary>
internal static class ChatCommand
{
    public static Command Create()
    {
        Command command = new("chat", $"Talks with a model, line by line. {ChatTalk.Commands}");
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
        ChatResponseFormat? format = settings.ReadSchema() is { } schema ? ChatResponseFormat.ForJsonSchema(schema)
            : settings.IsJson ? ChatResponseFormat.Json
            : null;
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
        ChatOptions options = new()
        {
            Instructions = system, StopSequences = settings.Stops, ResponseFormat = format,
        };
        await new ChatTalk(client, options, output).RunAsync(cancellation);
        return 0;
    }
}
