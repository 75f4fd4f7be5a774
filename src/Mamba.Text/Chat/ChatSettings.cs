using Mamba.Models;
using Mamba.Models.Generation;
using Microsoft.Extensions.AI;

namespace Mamba.Text.Chat;

/// <summary>The options of one call, as generation takes them.</summary>
/// <param name="Generation">Sampling, limits and stop tokens.</param>
/// <param name="StopStrings">Texts that end the answer.</param>
/// <param name="Variables">Variables of the template.</param>
internal sealed record ChatSettings(
    GenerationOptions Generation, IReadOnlyList<string> StopStrings, IReadOnlyDictionary<string, object?>? Variables)
{
    private static readonly string[] Reserved = ["messages", "add_generation_prompt", "tools", "documents"];

    /// <summary>Reads options.</summary>
    /// <exception cref="NotSupportedException">An option is one that this library does not have.</exception>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public static ChatSettings Read(
        ChatOptions? options,
        GenerationOptions defaults,
        IChatClient client,
        LanguageModelConfig config,
        TextTokenizer tokenizer)
    {
        options ??= new();
        Refuse(options, client);
        GenerationOptions generation = options.RawRepresentationFactory?.Invoke(client) switch
        {
            null => defaults,
            GenerationOptions own => own,
            var other => throw Refused(
                nameof(ChatOptions.RawRepresentationFactory), nameof(GenerationOptions), other.GetType().Name),
        };
        SamplingOptions sampling = generation.Sampling;
        string[] stops = [.. options.StopSequences ?? []];
        if (Array.Exists(stops, string.IsNullOrEmpty))
        {
            throw new ArgumentException("StopSequences: expected texts; found an empty one.", nameof(options));
        }

        // Special tokens have no text in the answer, so they are found by their ids.
        int?[] special = Array.ConvertAll(stops, stop => tokenizer.IdOf(stop) is { } id && tokenizer.IsSpecial(id)
            ? id
            : (int?)null);
        generation = generation with
        {
            MaxTokens = options.MaxOutputTokens ?? generation.MaxTokens,
            StopTokens =
            [
                .. (generation.StopTokens ?? [.. config.EndOfText, .. Present(tokenizer.EndToken)])
                    .Concat(special.OfType<int>()).Distinct(),
            ],
            Sampling = sampling with
            {
                Temperature = options.Temperature ?? sampling.Temperature,
                TopP = options.TopP ?? sampling.TopP,
                TopK = options.TopK ?? sampling.TopK,
                Seed = options.Seed is { } seed ? unchecked((ulong)seed) : sampling.Seed,
            },
        };
        generation.Validate();
        return new(generation, [.. stops.Where((_, i) => special[i] is null)], options.AdditionalProperties);
    }

    private static void Refuse(ChatOptions options, IChatClient client)
    {
        RequireNull(nameof(ChatOptions.ConversationId), options.ConversationId);
        RequireNull(nameof(ChatOptions.Reasoning), options.Reasoning);
        RequireZero(nameof(ChatOptions.FrequencyPenalty), options.FrequencyPenalty);
        RequireZero(nameof(ChatOptions.PresencePenalty), options.PresencePenalty);
        if (options.ResponseFormat is { } format and not ChatResponseFormatText)
        {
            throw Refused(nameof(ChatOptions.ResponseFormat), "text", format.GetType().Name);
        }

        if (options.Tools is { Count: > 0 } tools)
        {
            throw Refused(nameof(ChatOptions.Tools), "none", $"{tools.Count}");
        }

        if (options.ToolMode is RequiredChatToolMode)
        {
            throw Refused(nameof(ChatOptions.ToolMode), "null, auto or none", "required");
        }

#pragma warning disable MEAI001 // experimental properties, which are refused
        if (options.AllowBackgroundResponses == true)
        {
            throw Refused(nameof(ChatOptions.AllowBackgroundResponses), "null or false", "true");
        }

        RequireNull(nameof(ChatOptions.ContinuationToken), options.ContinuationToken);
#pragma warning restore MEAI001
        string? own = (client.GetService(typeof(ChatClientMetadata)) as ChatClientMetadata)?.DefaultModelId;
        if (options.ModelId is { } model && model != own)
        {
            throw Refused(nameof(ChatOptions.ModelId), own is null ? "null" : $"null or \"{own}\"", $"\"{model}\"");
        }

        if (Array.Find(Reserved, name => options.AdditionalProperties?.ContainsKey(name) == true) is { } reserved)
        {
            throw Refused(
                nameof(ChatOptions.AdditionalProperties), "variables of the template that are not set by the client",
                $"\"{reserved}\"");
        }
    }

    private static int[] Present(int? token) => token is { } id ? [id] : [];

    private static void RequireNull(string name, object? value)
    {
        if (value is not null)
        {
            throw Refused(name, "null", value is string text ? $"\"{text}\"" : value.GetType().Name);
        }
    }

    private static void RequireZero(string name, float? value)
    {
        if (value is not (null or 0))
        {
            throw Refused(name, "null or 0", FormattableString.Invariant($"{value}"));
        }
    }

    private static NotSupportedException Refused(string name, string expected, string found) =>
        new($"{name} is not supported: expected {expected}; found {found}.");
}
