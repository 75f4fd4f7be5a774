using System.Text.Json;

namespace Mamba.Server.Wire;

/// <summary>The body of <c>POST /v1/embeddings</c>.</summary>
internal sealed class EmbeddingRequest : WireRequest
{
    /// <summary>A text, tokens, or a list of either.</summary>
    public JsonElement? Input { get; set; }

    /// <summary><c>float</c> or <c>base64</c>.</summary>
    public string? EncodingFormat { get; set; }

    public int? Dimensions { get; set; }

    public string? User { get; set; }
}

/// <summary>Vectors of texts.</summary>
internal sealed record EmbeddingAnswer(
    string Object, IReadOnlyList<EmbeddingItem> Data, string Model, EmbeddingUsage Usage);

/// <summary>One vector: numbers, or their bytes in base64.</summary>
internal sealed record EmbeddingItem(string Object, int Index, JsonElement Embedding);

/// <summary>Numbers of tokens.</summary>
internal sealed record EmbeddingUsage(long PromptTokens, long TotalTokens);

/// <summary>The models of the server.</summary>
internal sealed record ModelList(string Object, IReadOnlyList<ModelItem> Data);

/// <summary>A model.</summary>
internal sealed record ModelItem(string Id, string Object, long Created, string OwnedBy)
{
    /// <summary>Whether conversations can be sent: the model has a chat template.</summary>
    public bool HasChatTemplate { get; init; }

    /// <summary>Most tokens of a prompt.</summary>
    public int MaxPromptTokens { get; init; }
}
