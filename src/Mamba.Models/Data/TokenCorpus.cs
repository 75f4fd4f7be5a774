using System.Buffers.Binary;
using Mamba.Models.Checkpoints;
using Mamba.Models.Generation;

namespace Mamba.Models.Data;

/// <summary>
/// Tokens of text or binary files, which are mapped into memory, divided into documents to train on and documents that are
/// held out.
/// </summary>
public sealed class TokenCorpus : IDisposable
{
    private const string TextFiles = "*.txt";

    private readonly CorpusOptions _options;
    private readonly MappedFile[] _files;

    private TokenCorpus(CorpusOptions options, MappedFile[] files)
    {
        _options = options;
        _files = files;
        TokenDocument[] documents = [.. Enumerable.Range(0, files.Length).SelectMany(Documents)];
        (TokenDocument[] training, TokenDocument[] heldOut) = Divide(documents);
        Training = new(this, training);
        HeldOut = new(this, heldOut);
    }

    /// <summary>What is trained on.</summary>
    public TokenSequence Training { get; }

    /// <summary>What is held out.</summary>
    public TokenSequence HeldOut { get; }

    /// <summary>Opens files and looks at every token once.</summary>
    /// <param name="path">A file; or a folder, of whose .txt files, those in folders inside it included, all are taken.</param>
    /// <param name="options">How to read and divide them; null: bytes, one document a file, nothing held out.</param>
    /// <returns>The corpus, to be disposed.</returns>
    /// <exception cref="FileNotFoundException">There is no such file, or no .txt file in the folder.</exception>
    /// <exception cref="InvalidDataException">
    /// A file is empty, ends within a token, or has a token beyond the vocabulary.
    /// </exception>
    public static TokenCorpus Open(string path, CorpusOptions? options = null)
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

            return new(options, [.. files]);
        }
        catch
        {
            files.ForEach(file => file.Dispose());
            throw;
        }
    }

    /// <summary>Closes the files.</summary>
    public void Dispose() => Array.ForEach(_files, file => file.Dispose());

    /// <summary>Reads tokens of a file.</summary>
    internal void Read(int file, long start, Span<int> tokens)
    {
        int size = _options.TokenBytes;
        using BorrowedBytes borrowed = _files[file].Borrow(start * size, (long)tokens.Length * size);
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

    /// <summary>The documents of a file, each with the separator that ends it.</summary>
    private List<TokenDocument> Documents(int file)
    {
        const int Piece = 1 << 16;
        List<TokenDocument> documents = [];
        int[] separator = [.. _options.Separator], borders = Borders(separator);
        long length = _files[file].Length / _options.TokenBytes, begin = 0;
        int matched = 0;
        int[] tokens = new int[Piece];
        for (long start = 0; start < length; start += Piece)
        {
            Span<int> piece = tokens.AsSpan(0, (int)Math.Min(Piece, length - start));
            Read(file, start, piece);
            for (int i = 0; i < piece.Length; i++)
            {
                RequireKnown(file, start + i, piece[i]);
                matched = Match(separator, borders, matched, piece[i]);
                if (matched > 0 && matched == separator.Length)
                {
                    documents.Add(new(file, begin, start + i + 1 - begin));
                    (begin, matched) = (start + i + 1, 0);
                }
            }
        }

        if (begin < length)
        {
            documents.Add(new(file, begin, length - begin));
        }

        return documents;
    }

    /// <summary>How many tokens of the separator stand at the end of what was read, one token further.</summary>
    /// <remarks>Knuth, Morris and Pratt, SIAM J. Comput. 6 (1977).</remarks>
    private static int Match(ReadOnlySpan<int> separator, ReadOnlySpan<int> borders, int matched, int token)
    {
        while (matched > 0 && separator[matched] != token)
        {
            matched = borders[matched - 1];
        }

        return separator.Length > 0 && separator[matched] == token ? matched + 1 : 0;
    }

    /// <summary>For every beginning of the separator, how much of it both begins and ends it.</summary>
    private static int[] Borders(int[] separator)
    {
        int[] borders = new int[separator.Length];
        for (int i = 1; i < separator.Length; i++)
        {
            borders[i] = Match(separator, borders, borders[i - 1], separator[i]);
        }

        return borders;
    }

    private void RequireKnown(int file, long position, int token)
    {
        if ((uint)token >= (uint)_options.VocabularySize)
        {
            throw new InvalidDataException(
                $"{_files[file].Path}: token {position} is {token}; expected 0 to {_options.VocabularySize - 1}.");
        }
    }

    /// <summary>Holds out documents by a hash of the seed and their number; of a single one, its end.</summary>
    private (TokenDocument[] Training, TokenDocument[] HeldOut) Divide(TokenDocument[] documents)
    {
        if (_options.HeldOut == 0)
        {
            return (documents, []);
        }

        if (documents is [TokenDocument only])
        {
            long kept = only.Length - (long)(only.Length * _options.HeldOut);
            return ([only with { Length = kept }], [new(only.File, only.Start + kept, only.Length - kept)]);
        }

        ILookup<bool, TokenDocument> divided = documents.Index().ToLookup(
            pair => new SplitMix64(SplitMix64.Mix(_options.Seed, (ulong)pair.Index)).NextUnit() < _options.HeldOut,
            pair => pair.Item);
        return ([.. divided[false]], [.. divided[true]]);
    }
}
