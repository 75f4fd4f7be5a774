using System.Text;
using Mamba.Text.Decoding;
using Mamba.Text.Unicode;

namespace Mamba.Text.Tokenizing;

/// <summary>
/// A tokenizer in the stages of Hugging Face's: added tokens, normalizer, words, merges; and a decoder.
/// </summary>
internal sealed class PipelineTokenizer : TextTokenizer
{
    private readonly BytePairModel _model;
    private readonly TokenizerParts _parts;
    private readonly TokenFinder _raw, _normalized;
    private readonly Dictionary<int, string> _texts;
    private readonly Dictionary<int, string> _addedTexts = [];
    private readonly Dictionary<string, int> _addedIds = new(StringComparer.Ordinal);
    private readonly HashSet<int> _special = [];
    private readonly bool _isOfBytes; // whether tokens are spelled in GPT-2's alphabet

    public PipelineTokenizer(BytePairModel model, TokenizerParts parts)
    {
        _model = model;
        _parts = parts;
        _isOfBytes = parts.Decoders.Any(make => make(new TextSink(), true) is ByteLevelStep);
        _texts = new(model.Vocabulary.Count + parts.Added.Count);
        foreach ((string token, int id) in model.Vocabulary.Concat(parts.Others))
        {
            _texts[id] = token;
        }

        foreach (AddedToken token in parts.Added)
        {
            _texts[token.Id] = token.Content;
            _addedTexts[token.Id] = parts.Spelling(token.Content);
            _addedIds[token.Content] = token.Id;
            if (token.IsSpecial)
            {
                _special.Add(token.Id);
            }
        }

        // Of equal texts the special token counts.
        AddedToken[] ordered = [.. parts.Added.OrderByDescending(token => token.IsSpecial)];
        _raw = new(ordered.Where(token => !token.IsNormalized).Select(token => (token.Content, token)));
        _normalized = new(ordered.Where(token => token.IsNormalized).Select(
            token => (parts.Normalizer(Characters.WellFormed(token.Content)), token)));
        VocabularySize = _texts.Count == 0 ? 0 : _texts.Keys.Max() + 1;
        BeginToken = parts.BeginToken;
        EndToken = parts.EndToken;
        PaddingToken = parts.PaddingToken;
        UnknownToken = parts.UnknownToken ?? model.Unknown;
        ChatTemplate = parts.ChatTemplate;
    }

    /// <inheritdoc/>
    public override int VocabularySize { get; }

    /// <inheritdoc/>
    public override string? TokenOf(int id) => _texts.GetValueOrDefault(id);

    /// <inheritdoc/>
    public override int? IdOf(string token)
    {
        ArgumentNullException.ThrowIfNull(token);
        return _addedIds.TryGetValue(token, out int id) || _model.Vocabulary.TryGetValue(token, out id) ||
            _parts.Others.TryGetValue(token, out id) ? id : null;
    }

    /// <inheritdoc/>
    public override bool IsSpecial(int id) => _special.Contains(id);

    private protected override int[] EncodeText(string text, bool addSpecialTokens, bool recognizeSpecialTokens)
    {
        text = Characters.WellFormed(text);
        List<int> ids = new((text.Length / 3) + 2);
        List<(int Start, int End, AddedToken? Token)> outer = [], inner = [];
        Pieces pieces = new();
        if (addSpecialTokens)
        {
            ids.AddRange(_parts.Before);
        }

        _raw.Cut(text, recognizeSpecialTokens, outer);
        foreach ((int start, int end, AddedToken? token) in outer)
        {
            if (token is not null)
            {
                ids.Add(token.Id);
                continue;
            }

            string normalized = _parts.Normalizer(text[start..end]);
            inner.Clear();
            _normalized.Cut(normalized, recognizeSpecialTokens, inner);
            foreach ((int from, int to, AddedToken? found) in inner)
            {
                if (found is not null)
                {
                    ids.Add(found.Id);
                    continue;
                }

                pieces.Reset(normalized[from..to], isFirst: start == 0 && from == 0);
                EncodeWords(pieces, ids);
            }
        }

        if (addSpecialTokens)
        {
            ids.AddRange(_parts.After);
        }

        return [.. ids];
    }

    private protected override byte[] BytesOfText(int id)
    {
        string spelled = SpellingOf(id)!;
        if (_isOfBytes)
        {
            return ByteLevelStep.BytesOf(spelled);
        }

        // The first token of a text may lose a space, so the text of the second one counts.
        TokenDecoder decoder = CreateDecoder(skipSpecialTokens: true, streams: true);
        decoder.Append(id);
        string text = decoder.Append(id);
        byte? single = text == spelled ? null : ByteFallbackStep.ByteOf(spelled);
        return single is { } value ? [value] : Encoding.UTF8.GetBytes(text);
    }

    private protected override TokenDecoder CreateDecoder(bool skipSpecialTokens, bool streams) => new(
        id => skipSpecialTokens && _special.Contains(id) ? null : SpellingOf(id),
        sink =>
        {
            DecodeStep first = sink;
            for (int i = _parts.Decoders.Count - 1; i >= 0; i--)
            {
                first = _parts.Decoders[i](first, streams);
            }

            return first;
        });

    /// <summary>A token as the decoders take it; null if there is none.</summary>
    private string? SpellingOf(int id) =>
        _addedTexts.TryGetValue(id, out string? text) || _texts.TryGetValue(id, out text) ? text : null;

    private void EncodeWords(Pieces pieces, List<int> ids)
    {
        foreach (PreTokenizer stage in _parts.PreTokenizers)
        {
            stage.Apply(pieces);
        }

        foreach ((int start, int end) in pieces.Items)
        {
            _model.Encode(pieces.Text.AsSpan(start, end - start), ids);
        }
    }
}
