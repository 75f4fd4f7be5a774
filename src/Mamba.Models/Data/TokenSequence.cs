namespace Mamba.Models.Data;

/// <summary>Documents one behind the other, as one long row of tokens in mapped files.</summary>
public sealed class TokenSequence
{
    private readonly TokenCorpus _corpus;
    private readonly TokenDocument[] _documents;
    private readonly long[] _starts;

    internal TokenSequence(TokenCorpus corpus, IEnumerable<TokenDocument> documents)
    {
        _corpus = corpus;
        _documents = [.. documents];
        _starts = new long[_documents.Length];
        foreach (int i in Enumerable.Range(0, _documents.Length))
        {
            _starts[i] = Length;
            Length += _documents[i].Length;
        }
    }

    /// <summary>Number of tokens.</summary>
    public long Length { get; }

    /// <summary>Number of documents.</summary>
    public int DocumentCount => _documents.Length;

    /// <summary>Where a document begins in the stream, and its number of tokens.</summary>
    /// <param name="index">The document.</param>
    /// <returns>Start and length.</returns>
    public (long Start, long Length) Document(int index) => (_starts[index], _documents[index].Length);

    /// <summary>Reads tokens, over the borders of documents.</summary>
    /// <param name="start">The first of them.</param>
    /// <param name="tokens">Receives them.</param>
    /// <exception cref="ArgumentOutOfRangeException">They reach beyond the stream.</exception>
    public void Read(long start, Span<int> tokens)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, Length - tokens.Length);
        int found = Array.BinarySearch(_starts, start);
        for (int i = found >= 0 ? found : ~found - 1; tokens.Length > 0; i++)
        {
            long skipped = start - _starts[i];
            int count = (int)Math.Min(tokens.Length, _documents[i].Length - skipped);
            _corpus.Read(_documents[i].File, _documents[i].Start + skipped, tokens[..count]);
            tokens = tokens[count..];
            start += count;
        }
    }
}

/// <summary>A document: tokens of a file.</summary>
internal readonly record struct TokenDocument(int File, long Start, long Length);
