using Mamba.Models;
using Mamba.Models.Generation;
using Microsoft.Extensions.AI;

namespace Mamba.Text.Chat;

/// <summary>The options of one call, as generation takes them.</summary>
/// <param name="Generation">Sampling, limits and stop tokens.</param>
/// <param name="Stops">Texts that end the answer.</param>
/// <param name="Variables">Variables of the template.</param>
/// <param name="Functions">Functions that the model may call.</param>
/// <param name="HidesReasoning">Whether reasoning is left out of the answer.</param>
internal sealed record ChatSettings(
    GenerationOptions Generation,
    IReadOnlyList<string> Stops,
    IReadOnlyDictionary<string, object?> Variables,
    IReadOnlyList<AIFunctionDeclaration> Functions,
    bool HidesReasoning)
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
        TextTokenizer tokenizer,
        AnswerFormat format)
    {
        options ??= new();
        Refuse(options, client);
        IReadOnlyList<AIFunctionDeclaration> functions = FunctionsOf(options, format);
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
        bool hides = options.Reasoning?.Output == ReasoningOutput.None;
        return new(generation, texts, VariablesOf(options, format), functions, hides);
    }

    private static void Refuse(ChatOptions options, IChatClient client)
    {
        RequireNull(nameof(ChatOptions.ConversationId), options.ConversationId);
        if (options.ResponseFormat is { } form and not (ChatResponseFormatText or ChatResponseFormatJson))
        {
            throw Refused(nameof(ChatOptions.ResponseFormat), "text or JSON", form.GetType().Name);
        }

        if (options.Reasoning?.Output == ReasoningOutput.Summary)
        {
            throw Refused(nameof(ChatOptions.Reasoning), "all of it or none", "a summary");
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

    /// <summary>The same settings with the constraint that the options ask for.</summary>
    /// <param name="options">The options of the call.</param>
    /// <param name="format">What answers are made of.</param>
    /// <param name="prompt">The text of the prompt.</param>
    public ChatSettings Constrained(ChatOptions? options, AnswerFormat format, string prompt)
    {
        bool isReasoning = format.IsReasoning(prompt);
        TokenConstraint? constraint = options switch
        {
            { ToolMode: RequiredChatToolMode { RequiredFunctionName: var name } } => format.Call(
                Functions.Where(function => name is null || function.Name == name), isReasoning),
            { ResponseFormat: ChatResponseFormatJson json } => format.Json(json.Schema, isReasoning),
            _ => null,
        };
        return constraint is null ? this
            : Generation.Constraint is null ? this with { Generation = Generation with { Constraint = constraint } }
            : throw Refused(
                options!.ToolMode is RequiredChatToolMode
                    ? nameof(ChatOptions.ToolMode)
                    : nameof(ChatOptions.ResponseFormat),
                "null beside a constraint of GenerationOptions", "both");
    }

    private static IReadOnlyList<AIFunctionDeclaration> FunctionsOf(ChatOptions options, AnswerFormat format)
    {
        IList<AITool> tools = options.Tools ?? [];
        if (tools.FirstOrDefault(tool => tool is not AIFunctionDeclaration) is { } other)
        {
            throw Refused(nameof(ChatOptions.Tools), "functions", other.GetType().Name);
        }

        if (options.ToolMode is RequiredChatToolMode required)
        {
            string wanted = required.RequiredFunctionName ?? "a function";
            if (!tools.Any(tool => required.RequiredFunctionName is null || tool.Name == wanted))
            {
                throw Refused(nameof(ChatOptions.ToolMode), "a function of Tools", wanted);
            }

            if (options.ResponseFormat is ChatResponseFormatJson)
            {
                throw Refused(nameof(ChatOptions.ResponseFormat), "text where a call is required", "JSON");
            }
        }

        bool isOff = tools.Count == 0 || options.ToolMode is NoneChatToolMode;
        return isOff ? [] : format.Tools is not null ? [.. tools.Cast<AIFunctionDeclaration>()]
            : throw Refused(nameof(ChatOptions.Tools), "none, because the template has no tools", $"{tools.Count}");
    }

    /// <summary>Variables of the template, also those by which it asks for reasoning.</summary>
    private static Dictionary<string, object?> VariablesOf(ChatOptions options, AnswerFormat format)
    {
        const string Thinking = "enable_thinking", Effort = "reasoning_effort";
        Dictionary<string, object?> variables = new(options.AdditionalProperties ?? []);
        if (options.Reasoning?.Effort is { } effort)
        {
            string name = effort.ToString().ToLowerInvariant();
            bool isGraded = format.Reads(Effort) && effort != ReasoningEffort.None;
            if (!isGraded && !format.Reads(Thinking))
            {
                throw Refused(
                    nameof(ChatOptions.Reasoning), "no effort, because the template has no variable of it", name);
            }

            variables.TryAdd(isGraded ? Effort : Thinking, isGraded ? name : effort != ReasoningEffort.None);
        }

        return variables;
    }

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
