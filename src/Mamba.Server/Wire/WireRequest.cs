using System.Text.Json;
using System.Text.Json.Serialization;
using Mamba.Server.Http;

namespace Mamba.Server.Wire;

/// <summary>A request, whose fields are all known or refused by name.</summary>
internal abstract class WireRequest
{
    /// <summary>The model's name; null: the one that is served.</summary>
    public string? Model { get; set; }

    /// <summary>Fields that the request has and its type has not.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }

    /// <summary>Fields that this server does not have, and the values that ask for nothing.</summary>
    [JsonIgnore]
    protected virtual IReadOnlyDictionary<string, string[]> WithoutEffect { get; } = new Dictionary<string, string[]>();

    /// <summary>Throws if there is a field that this server does not honour.</summary>
    /// <exception cref="ApiException">There is one.</exception>
    public void RequireKnown()
    {
        foreach ((string name, JsonElement value) in Others ?? [])
        {
            string[]? harmless = WithoutEffect.GetValueOrDefault(name);
            string found = value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();
            if (value.ValueKind != JsonValueKind.Null && harmless?.Contains(found) != true)
            {
                string shown = found.Length <= 40 ? found : $"{found[..40]}…";
                throw ApiException.Field(
                    name,
                    harmless is null
                        ? "this server does not have this field. Leave it out."
                        : $"expected {string.Join(" or ", harmless)}, or nothing; found {shown}.",
                    "unsupported_parameter");
            }
        }
    }
}
