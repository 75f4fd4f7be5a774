using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Mamba.Cli;

/// <summary>What commands print with <c>--json</c>.</summary>
internal static class JsonText
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // no page shows this
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals, // -∞ is a log-probability
        WriteIndented = true,
    };

    /// <summary>The option.</summary>
    /// <param name="description">What the object has.</param>
    public static Option<bool> Option(string description) => new("--json") { Description = description };

    /// <summary>A value as JSON, with names in snake case.</summary>
    public static string Of<T>(T value) => JsonSerializer.Serialize(value, Options);
}
