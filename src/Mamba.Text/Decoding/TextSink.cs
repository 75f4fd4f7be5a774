using System.Text;

namespace Mamba.Text.Decoding;

/// <summary>The end of the stages: collects the text.</summary>
internal sealed class TextSink() : DecodeStep(null)
{
    private readonly StringBuilder _text = new();

    /// <inheritdoc/>
    public override void Push(string text) => _text.Append(text);

    /// <summary>The text since the last call.</summary>
    public string Take()
    {
        string text = _text.ToString();
        _text.Clear();
        return text;
    }
}
