using Mamba.Models;
using Mamba.Models.Generation;
using Microsoft.Extensions.AI;

namespace Mamba.Text.Chat;

/// <summary>The options of one call, as generation takes them.</summary>
/// <param name="Generation">Sampling, limits and stop tokens.</param>
/// <param name="Stops">Texts that end the answer.</param>
/// <param name="Variables">Variables of the template.</param>
internal sealed record ChatSettings(
    GenerationOptions Generation, IReadOnlyList<string> Stops, IReadOnlyDictionary<string, object?>? Variables)
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
        StopStrings.Checked(stops);

        // Special tokens have no text in the answer, so they are found by their ids.
        int?[] special = Array.ConvertAll(stops, stop => tokenizer.IdOf(stop) is { } id && tokenizer.IsSpecial(id)
            ? id
            : (int?)null);
        string[] texts = [.. stops.Where((_, i) => special[i] is null)];
        generation = generation with
        {
            Constraint = ConstraintOf(options.ResponseFormat, generation.Constraint, tokenizer),
            StopRule = Either(generation.StopRule, StopStrings.Rule(tokenizer, texts)),
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
                FrequencyPenalty = options.FrequencyPenalty ?? sampling.FrequencyPenalty,
                PresencePenalty = options.PresencePenalty ?? sampling.PresencePenalty,
                Seed = options.Seed is { } seed ? unchecked((ulong)seed) : sampling.Seed,
            },
        };
        generation.Validate();
        return new(generation, texts, options.AdditionalProperties);
    }

    private static void Refuse(ChatOptions options, IChatClient client)
    {
        RequireNull(nameof(ChatOptions.ConversationId), options.ConversationId);
        RequireNull(nameof(ChatOptions.Reasoning), options.Reasoning);
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

    /// <summary>The constraint of a form of the answer; null: none.</summary>
    private static TokenConstraint? ConstraintOf(
        ChatResponseFormat? format, TokenConstraint? own, TextTokenizer tokenizer) => format switch
    {
        null or ChatResponseFormatText => own,
        ChatResponseFormatJson when own is not null => throw Refused(
            nameof(ChatOptions.ResponseFormat), "null beside a constraint of GenerationOptions", "JSON"),
        ChatResponseFormatJson { Schema: { } schema } => JsonConstraint.OfSchema(tokenizer, schema),
        ChatResponseFormatJson => JsonConstraint.AnyObject(tokenizer),
        _ => throw Refused(nameof(ChatOptions.ResponseFormat), "text or JSON", format.GetType().Name),
    };

    /// <summary>A rule that ends a text where one of two does; null if there is neither.</summary>
    private static Func<Func<int, bool>>? Either(Func<Func<int, bool>>? one, Func<Func<int, bool>>? other) =>
        one is null || other is null ? one ?? other : () =>
        {
            Func<int, bool> first = one(), second = other();
            return token => first(token) | second(token); // both see every token
        };

    private static NotSupportedException Refused(string name, string expected, string found) =>
        new($"{name} is not supported: expected {expected}; found {found}.");
}
