using System.Buffers;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Mamba.Server.Wire;

/// <summary>Arguments of a call as a text in JSON.</summary>
internal static class ArgumentsJson
{
    /// <summary>The text.</summary>
    public static string Of(IDictionary<string, object?>? arguments)
    {
        ArrayBufferWriter<byte> bytes = new();
        using (Utf8JsonWriter writer = new(bytes))
        {
            writer.WriteStartObject();
            foreach ((string name, object? value) in arguments ?? new Dictionary<string, object?>())
            {
                writer.WritePropertyName(name);
                if (value is null)
                {
                    writer.WriteNullValue();
                }
                else if (value is JsonElement element)
                {
                    element.WriteTo(writer);
                }
                else
                {
                    JsonSerializer.Serialize(
                        writer, value, AIJsonUtilities.DefaultOptions.GetTypeInfo(value.GetType()));
                }
            }

            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }
}
