using System.Text.Json;
using Mamba.Gpu;
using Mamba.Memory;
using Mamba.Models.Generation;
using Mamba.Text;

namespace Mamba.Cli.Text;

/// <summary>What to generate with.</summary>
/// <param name="Model">The model, as the user named it.</param>
/// <param name="Tokenizer">The tokenizer; null: the model's.</param>
/// <param name="Weights">Precision of the weights; null: as the files have them.</param>
/// <param name="Device">The device.</param>
/// <param name="Generation">Sampling and limits.</param>
/// <param name="Stops">Texts that end the generation.</param>
/// <param name="IsJson">Whether a JSON object is generated.</param>
/// <param name="Schema">File of the schema of the JSON that is generated; null: none.</param>
internal sealed record TextSettings(
    string Model, string? Tokenizer, Precision? Weights, DeviceName Device, GenerationOptions Generation,
    string[] Stops, bool IsJson, string? Schema)
{
    /// <summary>Reads the schema; null if there is none.</summary>
    /// <exception cref="InvalidDataException">The file is no JSON.</exception>
    public JsonElement? ReadSchema()
    {
        if (Schema is null)
        {
            return null;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllText(Schema));
            return document.RootElement.Clone();
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{Schema}: expected a JSON schema. {exception.Message}", exception);
        }
    }

    /// <summary>The constraint of the options; null if there is none.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    public TokenConstraint? Constraint(TextTokenizer tokenizer) =>
        ReadSchema() is { } schema ? JsonConstraint.OfSchema(tokenizer, schema)
        : IsJson ? JsonConstraint.AnyObject(tokenizer)
        : null;
}
