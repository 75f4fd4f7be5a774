using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Mamba.Cpu;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Server.Endpoints;
using Mamba.Server.Http;
using Mamba.Server.Wire;
using Mamba.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;

namespace Mamba.Server.Sessions;

/// <summary>The sessions of a server.</summary>
internal sealed class SessionStore : IDisposable
{
    private const int LongestName = 64;

    private readonly ConcurrentDictionary<string, Session> _sessions = new();
    private readonly ServedModel _served;
    private readonly SessionFolder? _folder;

    /// <summary>Reads the sessions that were saved.</summary>
    public SessionStore(ServedModel served, ILogger logger)
    {
        _served = served;
        _folder = served.Options.SessionFolder is { } path ? new(path, logger) : null;
        foreach (Session session in _folder?.Load() ?? [])
        {
            _sessions[session.Id] = session;
        }
    }

    /// <summary>All sessions, in the order in which they were made.</summary>
    public IEnumerable<Session> All => _sessions.Values.OrderBy(session => session.Created);

    /// <summary>Whether a text can be the name of a session, and of its folder.</summary>
    public static bool IsName(string name) =>
        name.Length is > 0 and <= LongestName
        && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_');

    /// <summary>Finds a session.</summary>
    /// <exception cref="ApiException">There is none.</exception>
    public Session Find(string id) => _sessions.GetValueOrDefault(id)
        ?? throw ApiException.NotFound($"session: expected one of this server; found \"{id}\".", "session",
            "session_not_found");

    /// <summary>Makes a session.</summary>
    /// <exception cref="ApiException">The name is taken or no name, or there are too many sessions.</exception>
    public Session Create(string? name) => Keep(new(NameOf(name), DateTimeOffset.UtcNow));

    /// <summary>Makes an equal session.</summary>
    /// <exception cref="ApiException">As <see cref="Create"/>, or somebody uses the session.</exception>
    public async Task<Session> ForkAsync(Session session, string? name)
    {
        using Session.Lease lease = session.Take();
        string own = NameOf(name);
        _ = await StateOfAsync(session).ConfigureAwait(false);
        session.Measure();
        return Keep(await OnDeviceAsync(() => session.Fork(own)).ConfigureAwait(false));
    }

    /// <summary>Takes turns back.</summary>
    /// <exception cref="ApiException">There are not so many, or somebody uses the session.</exception>
    public async Task RewindAsync(Session session, int turns)
    {
        using Session.Lease lease = session.Take();
        if (turns < 1 || turns > session.Turns.Count)
        {
            throw ApiException.Field("turns", $"expected a number from 1 to {session.Turns.Count}; found {turns}.");
        }

        await OnDeviceAsync(() =>
        {
            session.Rewind(turns);
            _folder?.Save(session);
            return true;
        }).ConfigureAwait(false);
    }

    /// <summary>Deletes a session.</summary>
    /// <exception cref="ApiException">Somebody uses the session.</exception>
    public async Task DeleteAsync(Session session)
    {
        session.Take(); // for good
        _sessions.TryRemove(session.Id, out _);
        await OnDeviceAsync(() =>
        {
            session.FreeStates();
            return true;
        }).ConfigureAwait(false);
        _folder?.Delete(session.Id);
    }

    /// <summary>Answers what is said next in a conversation.</summary>
    /// <exception cref="ApiException">Somebody uses the session, or it is none of conversations.</exception>
    public async IAsyncEnumerable<ChatResponseUpdate> AnswerAsync(
        Session session,
        IReadOnlyList<WireMessage> asked,
        MambaChatClient client,
        ChatOptions options,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        using Session.Lease lease = session.Take();
        session.RequireKind(Session.Chat);
        List<ChatMessage> messages = ChatMapping.MessagesOf([.. session.Messages, .. asked]);
        Conversation state = await BeginAsync(session).ConfigureAwait(false);
        List<ChatResponseUpdate> pieces = [];
        try
        {
            await foreach (ChatResponseUpdate piece in client.ContinueAsync(state, messages, options, cancellation)
                .ConfigureAwait(false))
            {
                pieces.Add(piece);
                yield return piece;
            }
        }
        finally
        {
            if (pieces.Count > 0) // an answer that was cut is kept as far as it came
            {
                await EndAsync(session, Session.Chat, [.. asked, AnswerOf(pieces)], []).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Continues a text.</summary>
    /// <exception cref="ApiException">Somebody uses the session, or it is none of texts.</exception>
    public async IAsyncEnumerable<CompletionPiece> ContinueAsync(
        Session session,
        string more,
        GenerationOptions options,
        string[] stops,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        using Session.Lease lease = session.Take();
        session.RequireKind(Session.Continued);
        TextTokenizer tokenizer = _served.Tokenizer;
        int[] prompt = [.. session.Text, .. tokenizer.Encode(more, addSpecialTokens: session.Text.Count == 0)];
        Conversation state = await BeginAsync(session).ConfigureAwait(false);
        string text = "";
        bool hasBegun = false;
        try
        {
            await foreach (CompletionPiece piece in Continuation.ContinueAsync(
                _served, prompt, options, stops, isEcho: false, cancellation, state).ConfigureAwait(false))
            {
                hasBegun = true;
                text += piece.Text;
                yield return piece;
            }
        }
        finally
        {
            if (hasBegun)
            {
                // Where the text ends before what the state has read, at a stop string, it is read again.
                bool isWhole = tokenizer.Decode(state.Tokens.Skip(prompt.Length).ToArray(), true).Length == text.Length;
                int[] all = isWhole && state.Tokens.Count >= prompt.Length
                    ? [.. state.Tokens]
                    : [.. prompt, .. tokenizer.Encode(text, addSpecialTokens: false)];
                WireMessage[] said = [MessageOf("user", more), MessageOf("assistant", text)];
                await EndAsync(session, Session.Continued, said, all).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Frees the states.</summary>
    public void Dispose()
    {
        foreach (Session session in _sessions.Values)
        {
            session.FreeStates();
        }
    }

    private static WireMessage AnswerOf(List<ChatResponseUpdate> pieces)
    {
        WireAnswerMessage answer = ChatEndpoint.MessageOf(pieces);
        WireMessage message = MessageOf("assistant", answer.Content ?? "");
        message.ReasoningContent = answer.ReasoningContent;
        message.ToolCalls = answer.ToolCalls?.ToList();
        return message;
    }

    private static WireMessage MessageOf(string role, string text) => new()
    {
        Role = role, Content = System.Text.Json.JsonSerializer.SerializeToElement(text, WireJson.Default.String),
    };

    private async Task<Conversation> BeginAsync(Session session)
    {
        Conversation state = await StateOfAsync(session).ConfigureAwait(false);
        await OnDeviceAsync(() =>
        {
            session.Snapshot();
            return true;
        }).ConfigureAwait(false);
        return state;
    }

    private Task<bool> EndAsync(Session session, string kind, WireMessage[] said, int[] text) => OnDeviceAsync(() =>
    {
        session.Add(kind, said, text);
        _folder?.Save(session);
        return true;
    });

    private async Task<Conversation> StateOfAsync(Session session) =>
        session.State ??= await OnDeviceAsync(() =>
            _folder?.LoadState(session, _served.Engine.Model) ?? new Conversation(_served.Engine.Model))
            .ConfigureAwait(false);

    /// <summary>Runs what uses the device: where one thread at a time may, on the engine's.</summary>
    private Task<T> OnDeviceAsync<T>(Func<T> work) =>
        _served.Engine.Model.Device is CpuDevice ? Task.FromResult(work()) : _served.Engine.RunAsync(work);

    private static string NameOf(string? name) => name is null || IsName(name)
        ? name ?? $"sess_{Guid.NewGuid():N}"
        : throw ApiException.Field(
            "id", $"expected up to {LongestName} letters, digits, - and _; found \"{name}\".");

    private Session Keep(Session session)
    {
        int most = _served.Options.MaxSessions;
        if (_sessions.Count >= most)
        {
            throw new ApiException(
                StatusCodes.Status429TooManyRequests, $"This server has {most} sessions, the most. Delete one.",
                "rate_limit_error", code: "too_many_sessions");
        }

        if (!_sessions.TryAdd(session.Id, session))
        {
            throw new ApiException(
                StatusCodes.Status409Conflict, $"id: there is a session \"{session.Id}\".", param: "id",
                code: "session_exists");
        }

        _folder?.Save(session);
        return session;
    }
}
