namespace Mamba.Text.Tokenizing;

/// <summary>A text and the words that it has been cut into; pre-tokenizers change both.</summary>
internal sealed class Pieces
{
    private List<(int Start, int End)> _next = [];

    /// <summary>The text.</summary>
    public string Text { get; set; } = "";

    /// <summary>Whether it begins where the text to be encoded begins.</summary>
    public bool IsFirst { get; private set; }

    /// <summary>The words, in order; never empty ones.</summary>
    public List<(int Start, int End)> Items { get; private set; } = [];

    /// <summary>What a pre-tokenizer has found in one word.</summary>
    public List<(int Start, int End)> Matches { get; } = [];

    /// <summary>Begins with a text as one word.</summary>
    public void Reset(string text, bool isFirst)
    {
        Text = text;
        IsFirst = isFirst;
        Items.Clear();
        if (text.Length > 0)
        {
            Items.Add((0, text.Length));
        }
    }

    /// <summary>Adds a word of the next stage, if it is not empty.</summary>
    public void Add(int start, int end)
    {
        if (end > start)
        {
            _next.Add((start, end));
        }
    }

    /// <summary>Makes the words that were added the current ones.</summary>
    public void Advance()
    {
        (Items, _next) = (_next, Items);
        _next.Clear();
    }
}
