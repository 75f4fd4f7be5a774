using Mamba.Text.Decoding;

namespace Mamba.Text.Tokenizing;

/// <summary>What surrounds the model of a tokenizer.</summary>
internal sealed record TokenizerParts
{
    /// <summary>Tokens that are found before the text is cut into words.</summary>
    public IReadOnlyList<AddedToken> Added { get; init; } = [];

    /// <summary>Tokens that no text becomes, such as unused ones, and their ids.</summary>
    public IReadOnlyDictionary<string, int> Others { get; init; } = new Dictionary<string, int>();

    /// <summary>The text of an added token in the spelling that the decoders take.</summary>
    public Func<string, string> Spelling { get; init; } = text => text;

    /// <summary>What the text becomes first.</summary>
    public Func<string, string> Normalizer { get; init; } = text => text;

    /// <summary>The stages that cut it into words.</summary>
    public IReadOnlyList<PreTokenizer> PreTokenizers { get; init; } = [];

    /// <summary>The stages of decoding: each gets the next stage and whether it streams.</summary>
    public IReadOnlyList<Func<DecodeStep, bool, DecodeStep>> Decoders { get; init; } = [];

    /// <summary>Tokens that are added in front.</summary>
    public IReadOnlyList<int> Before { get; init; } = [];

    /// <summary>Tokens that are added at the end.</summary>
    public IReadOnlyList<int> After { get; init; } = [];

    /// <summary>BOS.</summary>
    public int? BeginToken { get; init; }

    /// <summary>EOS.</summary>
    public int? EndToken { get; init; }

    /// <summary>The token that fills rows.</summary>
    public int? PaddingToken { get; init; }

    /// <summary>The token of text that has none.</summary>
    public int? UnknownToken { get; init; }

    /// <summary>The template of conversations.</summary>
    public string? ChatTemplate { get; init; }
}
