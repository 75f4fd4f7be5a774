namespace Mamba.Models.Data;

/// <summary>Concatenated documents, as one sequence of tokens in mapped files.</summary>
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

    /// <summary>Concatenates documents of a corpus.</summary>
    /// <param name="corpus">The corpus.</param>
    /// <param name="places">Start of each document in the corpus.</param>
    /// <param name="starts">Start of each document in this sequence.</param>
    /// <param name="length">Number of tokens of all documents.</param>
    internal TokenSequence(TokenCorpus corpus, long[] places, long[] starts, long length) =>
        (_corpus, _places, _starts, Length) = (corpus, places, starts, length);

    /// <summary>Number of tokens.</summary>
    public long Length { get; }

    /// <summary>Number of documents.</summary>
    public int DocumentCount => _starts.Length;

    /// <summary>The start of a document in this sequence, and its number of tokens.</summary>
    /// <param name="index">Index of the document.</param>
    /// <returns>Start and length.</returns>
    public (long Start, long Length) Document(int index) => (_starts[index], EndOf(index) - _starts[index]);

    /// <summary>Reads tokens, also across the borders of documents.</summary>
    /// <param name="start">The first token.</param>
    /// <param name="tokens">Receives the tokens.</param>
    /// <exception cref="ArgumentOutOfRangeException">The tokens reach past the end.</exception>
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
