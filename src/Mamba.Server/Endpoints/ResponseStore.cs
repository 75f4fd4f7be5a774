using Mamba.Server.Wire;
using Microsoft.Extensions.AI;

namespace Mamba.Server.Endpoints;

/// <summary>Responses that can be continued, each with the conversation up to its end. The oldest go first.</summary>
/// <param name="most">Most responses.</param>
internal sealed class ResponseStore(int most)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, LinkedListNode<Entry>> _entries = [];
    private readonly LinkedList<Entry> _order = [];

    /// <summary>Keeps a response.</summary>
    public void Add(ResponseAnswer answer, IReadOnlyList<ChatMessage> messages)
    {
        lock (_lock)
        {
            _entries[answer.Id] = _order.AddLast(new Entry(answer, messages));
            if (_order.Count > most)
            {
                _entries.Remove(_order.First!.Value.Answer.Id);
                _order.RemoveFirst();
            }
        }
    }

    /// <summary>Finds a response; null: there is none.</summary>
    public Entry? Find(string id)
    {
        lock (_lock)
        {
            return _entries.GetValueOrDefault(id)?.Value;
        }
    }

    /// <summary>Forgets a response; false: there is none.</summary>
    public bool Remove(string id)
    {
        lock (_lock)
        {
            if (!_entries.Remove(id, out LinkedListNode<Entry>? node))
            {
                return false;
            }

            _order.Remove(node);
            return true;
        }
    }

    /// <summary>A response and its conversation.</summary>
    public sealed record Entry(ResponseAnswer Answer, IReadOnlyList<ChatMessage> Messages);
}
