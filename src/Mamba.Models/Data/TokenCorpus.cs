using System.Buffers.Binary;
using Mamba.Checkpoints;
using Mamba.Models.Generation;

namespace Mamba.Models.Data;

/// <summary>
/// The tokens of text or binary files, which are mapped into memory and divided into training documents and held-out
/// documents.
/// </summary>
/// <example>
/// <code>
/// using TokenCorpus corpus = TokenCorpus.Open("book.txt", new() { Separator = [10, 10], HeldOut = 0.05 });
/// Console.WriteLine($"{corpus.Training.Length} tokens to train on, {corpus.HeldOut.Length} held out");
/// </code>
/// </example>
public sealed class TokenCorpus : IDisposable
{
    private const string TextFiles = "*.txt";

    private readonly CorpusOptions _options;
    private readonly MappedFile[] _files;
    private readonly long[] _firsts;
    private readonly long _length;

    private TokenCorpus(CorpusOptions options, MappedFile[] files, CancellationToken cancellation)
    {
        _options = options;
        _files = files;
        _firsts = new long[files.Length];
        List<long> begins = [];
        for (int i = 0; i < files.Length; i++)
        {
            _firsts[i] = _length;
            _length += files[i].Length / options.TokenBytes;
            AddDocuments(i, new([.. options.Separator]), begins, cancellation);
        }

        (Training, HeldOut) = Divide(begins);
    }

    /// <summary>The documents to train on.</summary>
    public TokenSequence Training { get; }

    /// <summary>The held-out documents.</summary>
    public TokenSequence HeldOut { get; }

    /// <summary>Opens files and reads every token once.</summary>
    /// <remarks>
    /// A document that consists of its separator alone belongs to the one before it; at the start of a file, to the
    /// first document. A document takes 16 bytes of memory, and twice that while the files are opened.
    /// </remarks>
    /// <param name="path">
    /// A file, or a folder: all .txt files in it and its subfolders are read.
    /// </param>
    /// <param name="options">How to read and divide them; null: bytes, one document a file, nothing held out.</param>
    /// <param name="cancellation">Cancels the reading.</param>
    /// <returns>The corpus, to be disposed.</returns>
    /// <exception cref="FileNotFoundException">The file does not exist, or the folder has no .txt file.</exception>
    /// <exception cref="InvalidDataException">
    /// A file is empty, ends within a token, or has a token beyond the vocabulary.
    /// </exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">Reading a file is not permitted.</exception>
    /// <exception cref="OperationCanceledException">The reading was cancelled.</exception>
    public static TokenCorpus Open(string path, CorpusOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new();
        options.Validate();
        string[] names = Directory.Exists(path)
            ? [.. Directory.EnumerateFiles(path, TextFiles, SearchOption.AllDirectories).Order(StringComparer.Ordinal)]
            : [path];
        if (names.Length == 0)
        {
            throw new FileNotFoundException($"{path}: expected {TextFiles} files in this folder; found none.", path);
        }

        List<MappedFile> files = [];
        try
        {
            foreach (string name in names)
            {
                files.Add(MappedFile.Open(name));
                RequireWholeTokens(files[^1], options.TokenBytes);
            }

            return new(options, [.. files], cancellation);
        }
        catch
        {
            files.ForEach(file => file.Dispose());
            throw;
        }
    }

    /// <summary>Closes the files.</summary>
    public void Dispose() => Array.ForEach(_files, file => file.Dispose());

    /// <summary>Reads tokens of one file. Tokens are counted through all files.</summary>
    internal void Read(long start, Span<int> tokens)
    {
        int found = Array.BinarySearch(_firsts, start);
        ReadFile(found >= 0 ? found : ~found - 1, start, tokens);
    }

    private void ReadFile(int file, long start, Span<int> tokens)
    {
        int size = _options.TokenBytes;
        using BorrowedBytes borrowed = _files[file].Borrow((start - _firsts[file]) * size, (long)tokens.Length * size);
        ReadOnlySpan<byte> bytes = borrowed.Span;
        for (int i = 0; i < tokens.Length; i++)
        {
            tokens[i] = size switch
            {
                1 => bytes[i],
                2 => BinaryPrimitives.ReadUInt16LittleEndian(bytes[(2 * i)..]),
                _ => BinaryPrimitives.ReadInt32LittleEndian(bytes[(4 * i)..]),
            };
        }
    }

    private static void RequireWholeTokens(MappedFile file, int size)
    {
        if (file.Length % size != 0)
        {
            throw new InvalidDataException($"{file.Path}: expected tokens of {size} bytes; found {file.Length} bytes.");
        }
    }

    /// <summary>Finds the starts of a file's documents, which cover the whole file.</summary>
    private void AddDocuments(int file, SeparatorSearch separator, List<long> begins, CancellationToken cancellation)
    {
        const int Piece = 1 << 16;
        int before = begins.Count;
        long begin = _firsts[file];
        int[] tokens = new int[(int)Math.Min(Piece, _length - begin)];
        for (long start = begin; start < _length; start += Piece)
        {
            cancellation.ThrowIfCancellationRequested();
            Span<int> piece = tokens.AsSpan(0, (int)Math.Min(Piece, _length - start));
            ReadFile(file, start, piece);
            for (int i = 0; i < piece.Length; i++)
            {
                RequireKnown(file, start + i, piece[i]);
                if (separator.Ends(piece[i]))
                {
                    long end = start + i + 1;
                    Add(end - begin > separator.Length);
                    begin = end;
                }
            }
        }

        Add(begin < _length);
        if (begins.Count == before)
        {
            begins.Add(_firsts[file]); // the file has nothing but separators
        }

        void Add(bool hasContent)
        {
            if (hasContent)
            {
                begins.Add(begins.Count == before ? _firsts[file] : begin);
            }
        }
    }

    private void RequireKnown(int file, long position, int token)
    {
        if ((uint)token >= (uint)_options.VocabularySize)
        {
            throw new InvalidDataException(
                $"{_files[file].Path}: token {position - _firsts[file]} is {token}; expected 0 to " +
                $"{_options.VocabularySize - 1}.");
        }
    }

    /// <summary>Holds out documents by a hash of the seed and their number; of a single document, its end.</summary>
    private (TokenSequence Training, TokenSequence HeldOut) Divide(List<long> begins)
    {
        if (_options.HeldOut == 0)
        {
            long[] all = [.. begins];
            return (new(this, all, all, _length), new(this, [], [], 0));
        }

        if (begins.Count == 1)
        {
            long kept = _length - (long)(_length * _options.HeldOut);
            return (new(this, [0], [0], kept), new(this, [kept], [0], _length - kept));
        }

        return (Part(begins, isHeldOut: false), Part(begins, isHeldOut: true));
    }

    private TokenSequence Part(List<long> begins, bool isHeldOut)
    {
        bool Belongs(int document) => isHeldOut ==
            new SplitMix64(SplitMix64.Mix(_options.Seed, (ulong)document)).NextUnit() < _options.HeldOut;
        int count = 0, next = 0;
        for (int i = 0; i < begins.Count; i++)
        {
            count += Belongs(i) ? 1 : 0;
        }

        long[] places = new long[count], starts = new long[count];
        long length = 0;
        for (int i = 0; i < begins.Count; i++)
        {
            if (Belongs(i))
            {
                (places[next], starts[next]) = (begins[i], length);
                length += (i + 1 < begins.Count ? begins[i + 1] : _length) - begins[i];
                next++;
            }
        }

        return new(this, places, starts, length);
    }
}
