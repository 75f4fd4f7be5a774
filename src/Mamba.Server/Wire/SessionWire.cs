using System.Text.Json.Serialization;

namespace Mamba.Server.Wire;

/// <summary>Where a turn began: numbers of messages and of tokens before it.</summary>
internal readonly record struct SessionTurn(int Messages, int Tokens);

/// <summary>A session as its file has it.</summary>
internal sealed record SessionFile(
    int Format, string Id, DateTimeOffset Created, string? Kind, IReadOnlyList<WireMessage> Messages,
    IReadOnlyList<int> Text, IReadOnlyList<SessionTurn> Turns, string? State);

/// <summary>A session as clients see it.</summary>
internal sealed record SessionItem(string Id, long Created)
{
    public string Object { get; } = "session";

    /// <summary><c>chat</c> or <c>text</c>; null: nobody has said anything.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Kind { get; init; }

    public int Turns { get; init; }

    /// <summary>Tokens that the state has read; 0: none, or it has not been loaded.</summary>
    public int StateTokens { get; init; }

    /// <summary>Memory of the state.</summary>
    public long StateBytes { get; init; }

    public bool IsBusy { get; init; }

    public IReadOnlyList<WireMessage>? Messages { get; init; }
}

/// <summary>All sessions.</summary>
internal sealed record SessionList(string Object, IReadOnlyList<SessionItem> Data);

/// <summary>The body that makes or forks a session.</summary>
internal sealed class SessionRequest : WireRequest
{
    /// <summary>The name of the new session; null: the server gives one.</summary>
    public string? Id { get; set; }
}

/// <summary>The body that takes turns back.</summary>
internal sealed class RewindRequest : WireRequest
{
    /// <summary>Number of turns; null: one.</summary>
    public int? Turns { get; set; }
}
