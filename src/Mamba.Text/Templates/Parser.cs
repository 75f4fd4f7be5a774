namespace Mamba.Text.Templates;

/// <summary>Compiles the tokens of a template; the grammar is that of Jinja 3.</summary>
internal sealed partial class Parser
{
    private readonly List<Token> _tokens;
    private readonly int _maxDepth;
    private int _at, _depth, _loops;

    private Parser(List<Token> tokens, int maxDepth)
    {
        _tokens = tokens;
        _maxDepth = maxDepth;
    }

    private Token Current => _tokens[_at];

    /// <summary>Compiles a template.</summary>
    /// <exception cref="InvalidDataException">It breaks the grammar.</exception>
    /// <exception cref="NotSupportedException">It uses what this library does not have.</exception>
    public static Statement Compile(string source, int maxDepth)
    {
        Parser parser = new(Lexer.Read(source), maxDepth);
        try
        {
            Statement body = parser.Body();
            return parser.Current.Kind == TokenKind.End ? body : throw parser.Unexpected("the end");
        }
        catch (TemplateFault fault)
        {
            throw fault.At(parser.Current.Position);
        }
    }

    private TemplateFault Unexpected(string expected) =>
        new($"expected {expected}, found \"{Current.Text}\"");

    private Token Take() => _tokens[_at++];

    private bool IsOperator(string text) => Current.Is(TokenKind.Operator, text);

    private bool IsName(string text) => Current.Is(TokenKind.Name, text);

    private bool TryTake(TokenKind kind, string text)
    {
        bool found = Current.Is(kind, text);
        _at += found ? 1 : 0;
        return found;
    }

    private bool TryOperator(string text) => TryTake(TokenKind.Operator, text);

    private bool TryName(string text) => TryTake(TokenKind.Name, text);

    private void Expect(TokenKind kind, string text)
    {
        if (!TryTake(kind, text))
        {
            throw Unexpected($"\"{text}\"");
        }
    }

    private string Name() => Current.Kind == TokenKind.Name ? Take().Text : throw Unexpected("a name");

    // What is nested deeper than the bound would overflow the stack, here or when it runs.
    private T Nested<T>(Func<T> parse)
    {
        if (++_depth > _maxDepth)
        {
            throw new TemplateFault($"it is nested more than {_maxDepth} deep");
        }

        T result = parse();
        _depth--;
        return result;
    }
}
