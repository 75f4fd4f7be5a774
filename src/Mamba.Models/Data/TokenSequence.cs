namespace Mamba.Models.Data;

/// <summary>Documents one behind the other, as one long row of tokens in mapped files.</summary>
/// <example>
/// <code>
/// using TokenCorpus corpus = TokenCorpus.Open("book.txt", new() { Separator = [10, 10] });
/// (long start, long length) = corpus.Training.Document(0);
/// int[] first = new int[length];
/// corpus.Training.Read(start, first);
/// </code>
/// </example>
public sealed class TokenSequence
{
    private readonly TokenCorpus _corpus;
    private readonly long[] _places;
    private readonly long[] _starts;

    /// <summary>Puts documents of a corpus one behind the other.</summary>
    /// <param name="corpus">Their files.</param>
    /// <param name="places">Where each begins in the corpus.</param>
    /// <param name="starts">Where each begins in this sequence.</param>
    /// <param name="length">Their tokens.</param>
    internal TokenSequence(TokenCorpus corpus, long[] places, long[] starts, long length) =>
        (_corpus, _places, _starts, Length) = (corpus, places, starts, length);

    /// <summary>Number of tokens.</summary>
    public long Length { get; }

    /// <summary>Number of documents.</summary>
    public int DocumentCount => _starts.Length;

    /// <summary>Where a document begins in the stream, and its number of tokens.</summary>
    /// <param name="index">The document.</param>
    /// <returns>Start and length.</returns>
    public (long Start, long Length) Document(int index) => (_starts[index], EndOf(index) - _starts[index]);

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
            int count = (int)Math.Min(tokens.Length, EndOf(i) - start);
            _corpus.Read(_places[i] + start - _starts[i], tokens[..count]);
            tokens = tokens[count..];
            start += count;
        }
    }

    private long EndOf(int index) => index + 1 < _starts.Length ? _starts[index + 1] : Length;
}
