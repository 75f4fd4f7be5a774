using System.Text.Json;
using Mamba.Models.Generation;
using Mamba.Text.Grammars;

namespace Mamba.Text;

/// <summary>Constrains generated texts to JSON, for <see cref="GenerationOptions.Constraint"/>.</summary>
/// <remarks>
/// Every text that ends by itself can be parsed, and is valid. A text that is cut off at
/// <see cref="GenerationOptions.MaxTokens"/> is not whole, and ends with <see cref="FinishReason.Length"/>.
/// Tokens are checked byte by byte, so that they may cover any part of the text.
/// </remarks>
/// <example>
/// <code>
/// using System.Text.Json;
///
/// JsonElement schema = JsonElement.Parse("""{"type": "object", "properties": {"age": {"type": "integer"}}}""");
/// GenerationOptions options = new() { Constraint = JsonConstraint.OfSchema(tokenizer, schema) };
/// </code>
/// </example>
public static class JsonConstraint
{
    /// <summary>Texts that are one JSON object.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <returns>The constraint.</returns>
    /// <remarks>Objects and arrays nest at most 60 levels; System.Text.Json reads 64.</remarks>
    public static TokenConstraint AnyObject(TextTokenizer tokenizer) => Of(tokenizer, json => json.AnyObject);

    /// <summary>Texts that are one JSON value that a schema allows.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="schema">
    /// The schema: <c>type</c>, <c>properties</c>, <c>required</c>, <c>additionalProperties</c>, <c>items</c>,
    /// <c>minItems</c>, <c>maxItems</c>, <c>enum</c>, <c>const</c>, <c>anyOf</c>, local <c>$ref</c>, the formats
    /// <c>date</c>, <c>time</c>, <c>date-time</c> and <c>uuid</c>, and annotations such as <c>description</c>.
    /// </param>
    /// <returns>The constraint.</returns>
    /// <remarks>
    /// Members come in the order of <c>properties</c>, and no others come. Numbers have at most 16 digits before and
    /// after the point.
    /// </remarks>
    /// <exception cref="NotSupportedException">The schema uses what is not supported; it is named.</exception>
    /// <exception cref="InvalidDataException">The schema is damaged, or nothing satisfies it.</exception>
    public static TokenConstraint OfSchema(TextTokenizer tokenizer, JsonElement schema) =>
        Of(tokenizer, json => JsonSchema.Rule(schema, json));

    private static GrammarConstraint Of(TextTokenizer tokenizer, Func<JsonGrammar, int> rule)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        Grammar grammar = new();
        grammar.Start = grammar.Add();
        JsonGrammar json = new(grammar);
        grammar.End(json.CallValue(json.Space(grammar.Start), rule(json)));
        return new(grammar, TokenTrie.Of(tokenizer));
    }
}
