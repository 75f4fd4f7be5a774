using System.Runtime.CompilerServices;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Models.Serving;
using Mamba.Text.Chat;
using Microsoft.Extensions.AI;

namespace Mamba.Text;

/// <summary>Answers the messages of a conversation with a model: the chat interface of .NET.</summary>
/// <remarks>
/// Tools are described to the model by the template, and calls that it writes come back as
/// <see cref="FunctionCallContent"/>; put <c>UseFunctionInvocation</c> of Microsoft.Extensions.AI around the client to
/// run them. Reasoning comes as <see cref="TextReasoningContent"/>. Pictures and all settings that the client does not
/// have are refused by name. The whole conversation is given with each call; what the engine has read of it before
/// comes from its prefix cache. Generation runs on the engine's thread, so no caller is blocked, and any number may
/// call at once.
/// <para>
/// Special tokens that are written in messages, such as <c>&lt;|im_end|&gt;</c>, are read as those tokens, as the
/// published templates mean it. Remove them from text that must not control the conversation.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// using Microsoft.Extensions.AI;
///
/// using MambaChatClient client = new(model, tokenizer);
/// ChatOptions options = new() { Temperature = 0.7f, Seed = 1, MaxOutputTokens = 200, StopSequences = ["\n\n"] };
/// await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync("What is Mamba?", options))
/// {
///     Console.Write(update.Text);
/// }
/// </code>
/// </example>
public sealed class MambaChatClient : IChatClient
{
    private const int OwnSlots = 4;

    private readonly MambaEngine _engine;
    private readonly bool _ownsEngine;
    private readonly TextTokenizer _tokenizer;
    private readonly ChatTemplate _template;
    private readonly AnswerFormat _format;
    private readonly ChatClientMetadata _metadata;

    /// <summary>Makes a client of an engine, which others may use too.</summary>
    /// <param name="engine">The engine, which must outlive the client.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="template">The template of conversations; null: that of the tokenizer.</param>
    /// <param name="modelId">The model's name in answers; null: none.</param>
    /// <exception cref="ArgumentException">There is no template.</exception>
    /// <exception cref="InvalidDataException">The tokenizer's template is damaged.</exception>
    /// <exception cref="NotSupportedException">
    /// The tokenizer's template uses what this library does not have.
    /// </exception>
    public MambaChatClient(
        MambaEngine engine, TextTokenizer tokenizer, ChatTemplate? template = null, string? modelId = null)
        : this(Required(engine), ownsEngine: false, tokenizer, TemplateOf(tokenizer, template), modelId)
    {
    }

    /// <summary>Makes a client of a model, with an engine of its own that answers four calls at a time.</summary>
    /// <param name="model">The model, which must outlive the client.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="template">The template of conversations; null: that of the tokenizer.</param>
    /// <param name="modelId">The model's name in answers; null: none.</param>
    /// <exception cref="ArgumentException">There is no template.</exception>
    /// <exception cref="InvalidDataException">The tokenizer's template is damaged.</exception>
    /// <exception cref="NotSupportedException">
    /// The tokenizer's template uses what this library does not have, or the model reads texts in both directions.
    /// </exception>
    public MambaChatClient(
        MambaLanguageModel model, TextTokenizer tokenizer, ChatTemplate? template = null, string? modelId = null)
        : this(null, ownsEngine: true, tokenizer, TemplateOf(tokenizer, template), modelId, model)
    {
    }

    private MambaChatClient(
        MambaEngine? engine, bool ownsEngine, TextTokenizer tokenizer, ChatTemplate template, string? modelId,
        MambaLanguageModel? model = null)
    {
        _engine = engine ?? new(model!, new() { Slots = OwnSlots }); // after everything that may fail
        _ownsEngine = ownsEngine;
        _tokenizer = tokenizer;
        _template = template;
        _format = new(template, tokenizer);
        _metadata = new("mamba", defaultModelId: modelId);
    }

    /// <summary>
    /// What counts where the options of a call are null. Without stop tokens, an answer ends at the model's
    /// <see cref="LanguageModelConfig.EndOfText"/> and at the tokenizer's <see cref="TextTokenizer.EndToken"/>. The
    /// seed is the same in every call.
    /// </summary>
    public GenerationOptions Defaults { get; init; } = new();

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">An option or a message has what this client does not have.</exception>
    /// <exception cref="ArgumentException">An option is out of its range, or there is nothing to read.</exception>
    /// <exception cref="InvalidDataException">The template refuses the conversation.</exception>
    /// <exception cref="QueueFullException">Too many calls wait.</exception>
    /// <exception cref="ObjectDisposedException">The engine has been disposed.</exception>
    /// <remarks>
    /// <see cref="ChatResponse.RawRepresentation"/> is a list of <see cref="GeneratedToken"/>: the tokens of the
    /// answer, with <see cref="GenerationOptions.LogProbabilities"/>.
    /// </remarks>
    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in GetStreamingResponseAsync(messages, options, cancellationToken)
            .ConfigureAwait(false))
        {
            updates.Add(update);
        }

        ChatResponse response = updates.ToChatResponse();
        response.RawRepresentation = updates
            .SelectMany(update => (IReadOnlyList<GeneratedToken>)update.RawRepresentation!).ToList();
        return response;
    }

    /// <inheritdoc/>
    /// <remarks>
    /// The last update has the finish reason and the usage. <see cref="ChatResponseUpdate.RawRepresentation"/> is a
    /// list of <see cref="GeneratedToken"/>: the tokens whose text came since the last update, with
    /// <see cref="GenerationOptions.LogProbabilities"/>. Leaving the enumeration early cancels the answer.
    /// Exceptions are those of <see cref="GetResponseAsync"/>.
    /// </remarks>
    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return AnswerAsync(null, messages, options, cancellationToken);
    }

    /// <summary>
    /// Answers the messages with the state of a conversation, so that what it has read is not read again.
    /// </summary>
    /// <param name="conversation">
    /// A conversation of the model, as <see cref="MambaEngine.Continue"/> takes it. Afterwards it is at the end of the
    /// answer, also of one that was cancelled.
    /// </param>
    /// <param name="messages">All messages, also those that the conversation has read.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <param name="cancellationToken">Cancels the answer.</param>
    /// <returns>The answer as it comes. Leaving the enumeration early cancels it.</returns>
    /// <remarks>Exceptions are those of <see cref="GetResponseAsync"/>.</remarks>
    public IAsyncEnumerable<ChatResponseUpdate> ContinueAsync(
        Conversation conversation,
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(conversation);
        ArgumentNullException.ThrowIfNull(messages);
        return AnswerAsync(conversation, messages, options, cancellationToken);
    }

    /// <summary>
    /// Gives the <see cref="ChatClientMetadata"/>, and what the client is made of: itself, <see cref="MambaEngine"/>,
    /// <see cref="MambaLanguageModel"/>, <see cref="TextTokenizer"/> and <see cref="ChatTemplate"/>.
    /// </summary>
    /// <param name="serviceType">The type of what is asked for.</param>
    /// <param name="serviceKey">Null; with a key there is nothing.</param>
    /// <returns>The object; null if there is none.</returns>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        object[] services = [this, _metadata, _engine, _engine.Model, _tokenizer, _template];
        return serviceKey is null ? Array.Find(services, serviceType.IsInstanceOfType) : null;
    }

    /// <summary>Ends the answers of a client that was made of a model; an engine that was given goes on.</summary>
    public void Dispose()
    {
        if (_ownsEngine)
        {
            _engine.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private async IAsyncEnumerable<ChatResponseUpdate> AnswerAsync(
        Conversation? conversation,
        IEnumerable<ChatMessage> messages,
        ChatOptions? options,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        ChatSettings settings =
            ChatSettings.Read(options, Defaults, this, _engine.Model.Config, _tokenizer, _format);
        string text = _template.Render(
            ChatPrompt.Of(messages, options?.Instructions),
            _tokenizer,
            tools: settings.Functions.Count > 0 ? settings.Functions.Select(ChatPrompt.Of) : null,
            variables: settings.Variables);
        settings = settings.Constrained(options, _format, text);
        int[] prompt = _tokenizer.Encode(text, addSpecialTokens: false);
        ChatResponseUpdate shared = new(ChatRole.Assistant, (string?)null)
        {
            ResponseId = $"response-{Guid.NewGuid():N}",
            MessageId = $"message-{Guid.NewGuid():N}",
            ModelId = _metadata.DefaultModelId,
        };
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        GenerationRequest request = conversation is null
            ? _engine.Submit(prompt, settings.Generation, ending.Token)
            : _engine.Continue(conversation, prompt, settings.Generation, ending.Token);
        try
        {
            GeneratedText answer = new(_tokenizer, settings.Stops, _format.TextOf);
            AnswerReader reader = new(
                _format.HasReasoning,
                _format.IsReasoning(text),
                settings.Functions.Count > 0 ? _format.Tools : null,
                settings.Functions);
            bool isOneCall = options?.AllowMultipleToolCalls == false, isEnd = false;
            List<GeneratedToken> tokens = [];
            int count = 0, reasoning = 0, calls = 0;
            await using IAsyncEnumerator<GeneratedToken> source =
                request.ReadTokensAsync(cancellation).GetAsyncEnumerator(cancellation);
            while (!isEnd)
            {
                isEnd = !await source.MoveNextAsync().ConfigureAwait(false);
                count += isEnd ? 0 : 1;
                reasoning += !isEnd && reader.IsReasoning ? 1 : 0;
                TextPiece piece = isEnd ? answer.Finish() : answer.Append(source.Current);
                tokens.AddRange(piece.Tokens);
                foreach (AIContent content in isEnd
                    ? [.. reader.Append(piece.Text), .. reader.Finish()]
                    : reader.Append(piece.Text))
                {
                    calls += content is FunctionCallContent ? 1 : 0;
                    bool isLeftOut = (settings.HidesReasoning && content is TextReasoningContent)
                        || (isOneCall && calls > 1);
                    if (!isLeftOut)
                    {
                        yield return With(shared, content, tokens);
                    }
                }

                isEnd |= isOneCall && calls > 0;
            }

            bool isStop = answer.IsStopped || request.Finish == FinishReason.Stop;
            ChatResponseUpdate end = With(shared, new UsageContent(new()
            {
                InputTokenCount = prompt.Length,
                OutputTokenCount = count,
                TotalTokenCount = prompt.Length + count,
                CachedInputTokenCount = request.CachedTokens,
                ReasoningTokenCount = _format.HasReasoning ? reasoning : null,
            }), tokens);
            end.FinishReason = calls > 0 ? ChatFinishReason.ToolCalls
                : isStop ? ChatFinishReason.Stop
                : ChatFinishReason.Length;
            yield return end;
        }
        finally
        {
            await ending.CancelAsync().ConfigureAwait(false); // frees the slot if the answer was not read to its end
            if (conversation is not null)
            {
                // Until then the engine uses it.
                await request.Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>An update with a content and the tokens that came since the last one.</summary>
    private static ChatResponseUpdate With(
        ChatResponseUpdate shared, AIContent content, List<GeneratedToken> tokens)
    {
        ChatResponseUpdate update = shared.Clone();
        update.Contents = [content];
        update.RawRepresentation = tokens.ToArray();
        tokens.Clear();
        update.CreatedAt = DateTimeOffset.UtcNow;
        return update;
    }

    private static MambaEngine Required(MambaEngine engine)
    {
        ArgumentNullException.ThrowIfNull(engine);
        return engine;
    }

    private static ChatTemplate TemplateOf(TextTokenizer tokenizer, ChatTemplate? template)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return template ?? (tokenizer.ChatTemplate is { } source
            ? ChatTemplate.Parse(source)
            : throw new ArgumentException(
                "Expected a chat template; found none with the tokenizer. Give one, or generate text without messages.",
                nameof(template)));
    }
}
