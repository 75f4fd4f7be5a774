namespace Mamba.Text.Templates;

/// <summary>Kinds of tokens of a template.</summary>
internal enum TokenKind
{
    /// <summary>Text outside of tags.</summary>
    Data,

    /// <summary><c>{{</c>.</summary>
    OutputBegin,

    /// <summary><c>}}</c>.</summary>
    OutputEnd,

    /// <summary><c>{%</c>.</summary>
    BlockBegin,

    /// <summary><c>%}</c>.</summary>
    BlockEnd,

    /// <summary>A name or keyword.</summary>
    Name,

    /// <summary>A string; the text is its value.</summary>
    String,

    /// <summary>An integer.</summary>
    Integer,

    /// <summary>A number with a point or exponent.</summary>
    Float,

    /// <summary>An operator or bracket.</summary>
    Operator,

    /// <summary>The end of the template.</summary>
    End,
}
