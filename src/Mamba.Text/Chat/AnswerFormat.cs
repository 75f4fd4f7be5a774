using System.Text;
using System.Text.Json;
using Mamba.Models.Generation;
using Mamba.Text.Grammars;
using Microsoft.Extensions.AI;

namespace Mamba.Text.Chat;

/// <summary>What a model's answers are made of, by its template and tokenizer.</summary>
internal sealed class AnswerFormat
{
    public const string BeginReasoning = "<think>", EndReasoning = "</think>";

    private readonly TextTokenizer _tokenizer;
    private readonly string _template;
    private readonly Lazy<TokenTrie> _trie;

    public AnswerFormat(ChatTemplate template, TextTokenizer tokenizer)
    {
        _tokenizer = tokenizer;
        _template = template.Source;
        Tools = ToolFormat.Of(_template);
        HasReasoning = _template.Contains(EndReasoning, StringComparison.Ordinal)
            || _template.Contains(BeginReasoning, StringComparison.Ordinal)
            || tokenizer.IdOf(EndReasoning) is not null;
        _trie = new(() => TokenTrie.With(tokenizer, TextOf));
    }

    /// <summary>How calls are written; null: the template has no tools.</summary>
    public ToolFormat? Tools { get; }

    /// <summary>Whether answers may begin with reasoning.</summary>
    public bool HasReasoning { get; }

    /// <summary>Whether a prompt ends in the reasoning of the answer.</summary>
    public bool IsReasoning(string prompt) =>
        HasReasoning && prompt.TrimEnd().EndsWith(BeginReasoning, StringComparison.Ordinal);

    /// <summary>Whether the template reads a variable.</summary>
    public bool Reads(string variable) => _template.Contains(variable, StringComparison.Ordinal);

    /// <summary>The text of a special token that marks a part of an answer; null: it has none.</summary>
    public string? TextOf(int token)
    {
        string? text = _tokenizer.IsSpecial(token) ? _tokenizer.TokenOf(token) : null;
        bool isMark = text switch
        {
            null or "" => false,
            BeginReasoning or EndReasoning => HasReasoning,
            ToolFormat.PythonTag => Tools is { Begin: "" },
            _ => text == Tools?.Begin || text == Tools?.End,
        };
        return isMark ? text : null;
    }

    /// <summary>Answers that are a value of JSON, after reasoning that has begun.</summary>
    /// <param name="schema">The value's schema; null: any object.</param>
    /// <param name="isReasoning">Whether reasoning has begun.</param>
    public TokenConstraint Json(JsonElement? schema, bool isReasoning)
    {
        if (!isReasoning)
        {
            return schema is { } one
                ? JsonConstraint.OfSchema(_tokenizer, one)
                : JsonConstraint.AnyObject(_tokenizer);
        }

        Grammar grammar = new();
        JsonGrammar json = new(grammar);
        int start = AfterReasoning(json, isReasoning);
        grammar.End(json.CallValue(start, schema is { } own ? JsonSchema.Rule(own, json) : json.AnyObject));
        return new GrammarConstraint(grammar, _trie.Value);
    }

    /// <summary>Answers that call one of some functions, with arguments that its schema allows.</summary>
    /// <exception cref="NotSupportedException">
    /// Calls are not written in JSON, or a function's schema is not supported.
    /// </exception>
    public TokenConstraint Call(IEnumerable<AIFunctionDeclaration> functions, bool isReasoning)
    {
        if (Tools!.Body == ToolFormat.Style.Tags)
        {
            throw new NotSupportedException(
                "ToolMode is not supported: expected null, auto or none, because the template's calls are not JSON; " +
                "found required.");
        }

        Grammar grammar = new();
        JsonGrammar json = new(grammar);
        int start = json.Space(grammar.Literal(AfterReasoning(json, isReasoning), Encoding.UTF8.GetBytes(Tools.Begin)));
        bool isList = Tools.Body == ToolFormat.Style.List;
        start = isList ? json.Space(grammar.Byte(start, '[', '[')) : start;
        int end = grammar.Add();
        string arguments = Tools.Body == ToolFormat.Style.Parameters ? "parameters" : "arguments";
        foreach (AIFunctionDeclaration function in functions)
        {
            int next = json.Space(Member(json, grammar.Byte(start, '{', '{'), "name"));
            next = grammar.Call(next, json.Literal($"\"{JsonEncodedText.Encode(function.Name)}\""));
            next = json.Space(grammar.Byte(json.Space(next), ',', ','));
            next = json.Space(Member(json, next, arguments));
            next = json.CallValue(next, JsonSchema.Rule(Parameters(function), json, function.Name));
            grammar.Jump(grammar.Byte(json.Space(next), '}', '}'), end);
        }

        end = isList ? grammar.Byte(json.Space(end), ']', ']') : end;
        end = Tools.End.Length > 0 ? grammar.Literal(json.Space(end), Encoding.UTF8.GetBytes(Tools.End)) : end;
        grammar.End(end);
        return new GrammarConstraint(grammar, _trie.Value);
    }

    /// <summary>A schema of the arguments, which are an object always.</summary>
    private static JsonElement Parameters(AIFunctionDeclaration function)
    {
        bool isEmpty = function.JsonSchema.ValueKind != JsonValueKind.Object;
        using JsonDocument none = JsonDocument.Parse("""{"type": "object", "additionalProperties": false}""");
        return isEmpty ? none.RootElement.Clone() : function.JsonSchema;
    }

    private static int Member(JsonGrammar json, int from, string name)
    {
        int quoted = json.Grammar.Call(json.Space(from), json.Literal($"\"{name}\""));
        return json.Grammar.Byte(json.Space(quoted), ':', ':');
    }

    /// <summary>Any reasoning up to its end, if it has begun; gives the state after it.</summary>
    private static int AfterReasoning(JsonGrammar json, bool isReasoning)
    {
        Grammar grammar = json.Grammar;
        grammar.Start = grammar.Add();
        if (!isReasoning)
        {
            return json.Space(grammar.Start);
        }

        // Without "<" in it, so that its end is certain.
        grammar.Byte(grammar.Start, 0, '<' - 1, grammar.Start);
        grammar.Byte(grammar.Start, '<' + 1, 0xFF, grammar.Start);
        return json.Space(grammar.Literal(grammar.Start, Encoding.UTF8.GetBytes(EndReasoning)));
    }
}
