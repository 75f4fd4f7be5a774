using System.Diagnostics;
using System.Text.Json;
using Mamba.Text;
using Microsoft.Extensions.AI;

namespace Mamba.Cli.Text;

/// <summary>The lines of <c>mamba chat</c>: questions, and commands that begin with a slash.</summary>
/// <param name="client">What answers.</param>
/// <param name="options">The options of all answers.</param>
/// <param name="output">Where answers are written.</param>
internal sealed class ChatTalk(MambaChatClient client, ChatOptions options, StreamWriter output)
{
    /// <summary>What the commands do.</summary>
    public const string Commands =
        "/rewind takes the last answer back, /fork NAME keeps this place and /rewind NAME returns to it, /save FILE " +
        "and /load FILE, /clear takes all back, /exit ends.";

    private static readonly JsonSerializerOptions Json = new()
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // no page shows this
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
    };

    private readonly Dictionary<string, ChatMessage[]> _forks = [];
    private readonly List<ChatMessage> _messages = [];

    /// <summary>Reads lines until the input ends.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        TextReader input = Terminal.Input();
        bool isTerminal = !Console.IsInputRedirected;
        if (isTerminal)
        {
            await output.WriteLineAsync(Commands);
        }

        while (true)
        {
            await output.WriteAsync(isTerminal ? "> " : "");

            // Reading a console cannot be cancelled; the process ends without waiting for it.
            string? line = await Task.Run(input.ReadLine, cancellation).WaitAsync(cancellation);
            if (line?.Trim() is null or "/exit")
            {
                return;
            }

            string? fault = line.TrimStart().StartsWith('/') ? Command(line.Trim()) : null;
            if (fault is not null)
            {
                await Console.Error.WriteLineAsync(fault);
            }
            else if (line.Trim() is { Length: > 0 } text && text[0] != '/')
            {
                await AnswerAsync(text, cancellation);
            }
        }
    }

    /// <summary>Does what a command says; gives what is wrong with it.</summary>
    private string? Command(string line)
    {
        string[] words = line.Split(' ', 2, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        string? name = words.Length > 1 ? words[1] : null;
        switch (words[0], name)
        {
            case ("/clear", null):
                _messages.Clear();
                return null;
            case ("/rewind", null):
                _messages.RemoveRange(Math.Max(_messages.Count - 2, 0), Math.Min(_messages.Count, 2));
                return null;
            case ("/rewind", { } fork):
                return _forks.TryGetValue(fork, out ChatMessage[]? kept)
                    ? Replace(kept)
                    : $"/rewind: expected a name that /fork has kept; found \"{fork}\".";
            case ("/fork", { } fork):
                _forks[fork] = [.. _messages];
                return null;
            case ("/save", { } file):
                return Guarded(() => Save(file));
            case ("/load", { } file):
                return Guarded(() => _ = Replace(Load(file)));
            case ("/fork" or "/save" or "/load", null):
                return $"{words[0]}: expected a name; found none. {Commands}";
            default:
                return $"{words[0]}: unknown command. {Commands}";
        }
    }

    private string? Replace(ChatMessage[] messages)
    {
        _messages.Clear();
        _messages.AddRange(messages);
        return null;
    }

    /// <summary>Writes the conversation as JSON: a list of roles and texts.</summary>
    private void Save(string file)
    {
        Line[] lines = [.. _messages.Select(message => new Line(message.Role.Value, message.Text))];
        string partial = $"{file}.partial";
        File.WriteAllText(partial, JsonSerializer.Serialize(lines, Json));
        File.Move(partial, file, overwrite: true);
    }

    private static ChatMessage[] Load(string file)
    {
        Line?[] lines = JsonSerializer.Deserialize<Line?[]>(File.ReadAllText(file), Json)
            ?? throw new InvalidDataException($"{file}: expected a list of messages; found null.");
        return Array.ConvertAll(lines, line => line is { Role: { Length: > 0 } role, Content: { } content }
            ? new ChatMessage(new(role), content)
            : throw new InvalidDataException($"{file}: expected messages with role and content."));
    }

    private static string? Guarded(Action work)
    {
        try
        {
            work();
            return null;
        }
        catch (Exception exception) when (
            exception is IOException or UnauthorizedAccessException or JsonException or InvalidDataException)
        {
            return exception.Message.ReplaceLineEndings(" ");
        }
    }

    private async Task AnswerAsync(string text, CancellationToken cancellation)
    {
        List<ChatResponseUpdate> updates = [];
        long start = Stopwatch.GetTimestamp();
        ChatMessage question = new(ChatRole.User, text);
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(
            [.. _messages, question], options, cancellation))
        {
            updates.Add(update);
            string reasoning = string.Concat(update.Contents.OfType<TextReasoningContent>().Select(part => part.Text));
            await Console.Error.WriteAsync(reasoning);
            await output.WriteAsync(update.Text.AsMemory(), cancellation);
        }

        await output.WriteLineAsync();
        ChatResponse response = updates.ToChatResponse();
        _messages.Add(question);
        _messages.Add(new(ChatRole.Assistant, response.Text));
        UsageDetails usage = response.Usage!;
        string cut = response.FinishReason == ChatFinishReason.Length ? "; cut off after --tokens" : "";
        await Console.Error.WriteLineAsync(
            $"prompt: {usage.InputTokenCount} tokens, {usage.CachedInputTokenCount} of them cached; " +
            $"{Terminal.Speed(usage.OutputTokenCount!.Value, start)}{cut}");
    }

    private sealed record Line(string? Role, string? Content);
}
