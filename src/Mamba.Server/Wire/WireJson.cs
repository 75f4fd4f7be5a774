using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Mamba.Server.Wire;

/// <summary>What is read and written as JSON; names are written_so.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    AllowDuplicateProperties = false)]
[JsonSerializable(typeof(ChatRequest))]
[JsonSerializable(typeof(ChatAnswer))]
[JsonSerializable(typeof(CompletionRequest))]
[JsonSerializable(typeof(CompletionAnswer))]
[JsonSerializable(typeof(ResponseRequest))]
[JsonSerializable(typeof(ResponseAnswer))]
[JsonSerializable(typeof(ResponseEvent))]
[JsonSerializable(typeof(DeletedItem))]
[JsonSerializable(typeof(SessionFile))]
[JsonSerializable(typeof(SessionItem))]
[JsonSerializable(typeof(SessionList))]
[JsonSerializable(typeof(SessionRequest))]
[JsonSerializable(typeof(RewindRequest))]
[JsonSerializable(typeof(EmbeddingRequest))]
[JsonSerializable(typeof(EmbeddingAnswer))]
[JsonSerializable(typeof(ModelList))]
[JsonSerializable(typeof(WireError))]
[JsonSerializable(typeof(float[]))]
[JsonSerializable(typeof(string))]
internal sealed partial class WireJson : JsonSerializerContext
{
    // Answers are never part of a page, so letters beyond ASCII stay as they are.
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes a value as UTF-8, on one line.</summary>
    public static void Write<T>(IBufferWriter<byte> output, T value, JsonTypeInfo<T> type)
    {
        using Utf8JsonWriter writer = new(output, Plain);
        JsonSerializer.Serialize(writer, value, type);
    }
}
