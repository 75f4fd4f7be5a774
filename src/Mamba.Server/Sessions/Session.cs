using Mamba.Models;
using Mamba.Server.Http;
using Mamba.Server.Wire;
using Microsoft.AspNetCore.Http;

namespace Mamba.Server.Sessions;

/// <summary>
/// A conversation or a text that the server remembers: what was said, and the model's state after it. The state only
/// saves time: what it has read is read again where it does not fit.
/// </summary>
/// <param name="id">Its name.</param>
/// <param name="created">When it was made.</param>
internal sealed class Session(string id, DateTimeOffset created)
{
    public const string Chat = "chat", Continued = "text";
    private const int MostSnapshots = 3;

    private readonly List<(int Turn, Conversation State)> _snapshots = [];
    private int _users;

    public string Id => id;

    public DateTimeOffset Created => created;

    /// <summary>Whether it is a conversation or a text; null: nobody has said anything.</summary>
    public string? Kind { get; set; }

    /// <summary>What was said.</summary>
    public IReadOnlyList<WireMessage> Messages { get; set; } = [];

    /// <summary>The tokens of a text; none of a conversation, whose template makes them.</summary>
    public IReadOnlyList<int> Text { get; set; } = [];

    /// <summary>Where each turn began.</summary>
    public IReadOnlyList<SessionTurn> Turns { get; set; } = [];

    /// <summary>The state after all of it, or of a part; null: it was not loaded.</summary>
    public Conversation? State { get; set; }

    /// <summary>Tokens that the state had read after the last turn, and its memory.</summary>
    public (int Tokens, long Bytes) Size { get; private set; }

    /// <summary>The file of the state; null: there is none.</summary>
    public string? StateFile { get; set; }

    /// <summary>Whether somebody uses it.</summary>
    public bool IsBusy => Volatile.Read(ref _users) > 0;

    /// <summary>Keeps others out until the lease is disposed.</summary>
    /// <exception cref="ApiException">Somebody uses it.</exception>
    public Lease Take() => Interlocked.CompareExchange(ref _users, 1, 0) == 0
        ? new(this)
        : throw new ApiException(
            StatusCodes.Status409Conflict, $"session: \"{Id}\" is in use. Wait for its answer.", param: "session",
            code: "session_busy");

    /// <summary>Says what the session is.</summary>
    /// <exception cref="ApiException">It is something else.</exception>
    public void RequireKind(string kind)
    {
        if (Kind is { } own && own != kind)
        {
            throw ApiException.Field(
                "session", own == Chat
                    ? "expected a session of /v1/completions; found one of /v1/chat/completions."
                    : "expected a session of /v1/chat/completions; found one of /v1/completions.");
        }
    }

    /// <summary>Notes the size of the state, which others ask for while it changes.</summary>
    public void Measure() => Size = State is { } state ? (state.Tokens.Count, state.StateBytes) : default;

    /// <summary>Keeps the state before a turn, so that one can go back to it.</summary>
    public void Snapshot()
    {
        foreach ((_, Conversation old) in _snapshots.Where(one => one.Turn >= Turns.Count))
        {
            old.Dispose(); // of a turn that came to nothing
        }

        _snapshots.RemoveAll(one => one.Turn >= Turns.Count);
        if (State is { Tokens.Count: > 0 } state)
        {
            _snapshots.Add((Turns.Count, state.Fork()));
            if (_snapshots.Count > MostSnapshots)
            {
                _snapshots[0].State.Dispose();
                _snapshots.RemoveAt(0);
            }
        }
    }

    /// <summary>Adds a turn.</summary>
    public void Add(string kind, IEnumerable<WireMessage> messages, IReadOnlyList<int> text)
    {
        Kind = kind;
        Turns = [.. Turns, new(Messages.Count, Text.Count)]; // new lists, because others may read the old ones
        Messages = [.. Messages, .. messages];
        Text = text;
        Measure();
    }

    /// <summary>Takes turns back.</summary>
    public void Rewind(int turns)
    {
        int left = Turns.Count - turns;
        SessionTurn at = Turns[left];
        Messages = [.. Messages.Take(at.Messages)];
        Text = [.. Text.Take(at.Tokens)];
        Turns = [.. Turns.Take(left)];
        State?.Dispose();
        State = null;
        StateFile = null;
        foreach ((int turn, Conversation state) in _snapshots.Where(one => one.Turn >= left))
        {
            if (turn == left)
            {
                State = state;
            }
            else
            {
                state.Dispose();
            }
        }

        _snapshots.RemoveAll(one => one.Turn >= left);
        Kind = left == 0 ? null : Kind;
        Measure();
    }

    /// <summary>Makes an equal session of another name.</summary>
    public Session Fork(string name) => new(name, DateTimeOffset.UtcNow)
    {
        Kind = Kind, Messages = Messages, Text = Text, Turns = Turns, State = State?.Fork(), Size = Size,
    };

    /// <summary>Frees the states.</summary>
    public void FreeStates()
    {
        State?.Dispose();
        State = null;
        _snapshots.ForEach(one => one.State.Dispose());
        _snapshots.Clear();
    }

    /// <summary>The right to use a session.</summary>
    public sealed class Lease(Session session) : IDisposable
    {
        public void Dispose() => Volatile.Write(ref session._users, 0);
    }
}
