using Mamba.Text.Templates;

namespace Mamba.Text;

/// <summary>
/// Turns a conversation into the text that a model was trained on: the template of a published model.
/// </summary>
/// <remarks>
/// Templates are written in Jinja. This is an interpreter of the part of it that chat templates use, with the settings
/// of Hugging Face (<c>trim_blocks</c>, <c>lstrip_blocks</c>, loop controls): expressions, filters, tests, loops,
/// <c>set</c>, <c>namespace</c>, macros and the methods of texts and dictionaries. What it does not have it refuses by
/// name, with line and column. Templates cannot reach anything but their variables.
/// <para>Any number of threads may use a template at the same time.</para>
/// </remarks>
/// <example>
/// <code>
/// ChatTemplate template = ChatTemplate.Parse(tokenizer.ChatTemplate!);
/// string text = template.Render([new("system", "Be brief."), new("user", "What is Mamba?")], tokenizer);
/// int[] prompt = tokenizer.Encode(text, addSpecialTokens: false); // the template has written them
/// </code>
/// </example>
public sealed class ChatTemplate
{
    private readonly Statement _body;
    private readonly ChatTemplateOptions _options;

    private ChatTemplate(string source, Statement body, ChatTemplateOptions options)
    {
        Source = source;
        _body = body;
        _options = options;
    }

    /// <summary>The text of the template.</summary>
    internal string Source { get; }

    /// <summary>Reads a template.</summary>
    /// <param name="source">The text of the template.</param>
    /// <param name="options">Bounds; null for the usual ones.</param>
    /// <returns>The template.</returns>
    /// <exception cref="InvalidDataException">The template breaks the grammar, or a bound.</exception>
    /// <exception cref="NotSupportedException">It uses what this library does not have.</exception>
    public static ChatTemplate Parse(string source, ChatTemplateOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        options ??= new();
        return source.Length <= options.MaxLength
            ? new(source, Parser.Compile(source, options.MaxDepth), options)
            : throw new InvalidDataException(
                $"The chat template has {source.Length:N0} characters; at most {options.MaxLength:N0} are read.");
    }

    /// <summary>The text of a conversation.</summary>
    /// <param name="messages">The messages, in order.</param>
    /// <param name="tokenizer">
    /// Gives <c>bos_token</c> and the other special tokens their texts; null leaves them out.
    /// </param>
    /// <param name="addGenerationPrompt">Whether the text ends with what begins the answer of the assistant.</param>
    /// <param name="tools">
    /// Descriptions of functions that the model may call, in the form of the template, which is mostly that of OpenAI;
    /// null if there are none.
    /// </param>
    /// <param name="variables">Other variables of the template, such as <c>enable_thinking</c>.</param>
    /// <returns>The text. It has the special tokens; encode it without adding them again.</returns>
    /// <exception cref="InvalidDataException">
    /// The template refuses the conversation, or fails, or exceeds a bound.
    /// </exception>
    /// <exception cref="NotSupportedException">It uses what this library does not have.</exception>
    public string Render(
        IEnumerable<ChatTemplateMessage> messages,
        TextTokenizer? tokenizer = null,
        bool addGenerationPrompt = true,
        IEnumerable<object?>? tools = null,
        IReadOnlyDictionary<string, object?>? variables = null)
    {
        ArgumentNullException.ThrowIfNull(messages);
        Dictionary<string, object?> all = new()
        {
            ["messages"] = messages.ToList(),
            ["add_generation_prompt"] = addGenerationPrompt,
            ["tools"] = tools?.ToList(),
            ["documents"] = null,
        };
        foreach ((string name, int? token) in new[]
        {
            ("bos_token", tokenizer?.BeginToken), ("eos_token", tokenizer?.EndToken),
            ("pad_token", tokenizer?.PaddingToken), ("unk_token", tokenizer?.UnknownToken),
        })
        {
            if (token is { } id)
            {
                all[name] = tokenizer!.TokenOf(id);
            }
        }

        foreach ((string name, object? value) in variables ?? new Dictionary<string, object?>())
        {
            all[name] = value;
        }

        return Render(all);
    }

    /// <summary>The text of a template with any variables.</summary>
    /// <param name="variables">
    /// The variables: texts, numbers, booleans, null, lists, dictionaries by text, <see cref="ChatTemplateMessage"/> or
    /// <see cref="System.Text.Json.JsonElement"/>.
    /// </param>
    /// <returns>The text.</returns>
    /// <exception cref="InvalidDataException">
    /// The template refuses its variables, or fails, or exceeds a bound.
    /// </exception>
    /// <exception cref="NotSupportedException">It uses what this library does not have.</exception>
    public string Render(IReadOnlyDictionary<string, object?> variables)
    {
        ArgumentNullException.ThrowIfNull(variables);
        Rendering rendering = new(_options);
        try
        {
            Globals.AddTo(rendering);
            rendering.Scope = new(rendering.Scope);
            foreach ((string name, object? value) in variables)
            {
                rendering.Scope[name] = Values.From(value);
            }

            _ = _body(rendering);
            return rendering.Output.ToString();
        }
        catch (TemplateFault fault)
        {
            throw fault.At(rendering.Position);
        }
    }
}
