namespace Mamba.Models.Data;

/// <summary>How the files of a <see cref="TokenCorpus"/> are read and divided.</summary>
public sealed record CorpusOptions
{
    /// <summary>Bytes of a token, little-endian: 1, 2 or 4.</summary>
    public int TokenBytes { get; init; } = 1;

    /// <summary>
    /// The tokens that end a document, and belong to it; empty: every file is one document. A document that holds
    /// nothing but its separator belongs to the one before it.
    /// </summary>
    public IReadOnlyList<int> Separator { get; init; } = [];

    /// <summary>The part of the documents that is held out, from 0 to below 1; of a single document, its end.</summary>
    public double HeldOut { get; init; }

    /// <summary>Decides which documents are held out.</summary>
    public ulong Seed { get; init; }

    /// <summary>Number of tokens of the vocabulary, which every token must be below.</summary>
    public int VocabularySize { get; init; } = 256;

    /// <summary>Throws on the first setting that makes no sense, by name.</summary>
    /// <exception cref="ArgumentException">A setting is out of its range.</exception>
    public void Validate()
    {
        if (TokenBytes is not (1 or 2 or 4))
        {
            throw new ArgumentOutOfRangeException(nameof(TokenBytes), TokenBytes, "Expected 1, 2 or 4.");
        }

        if (!(HeldOut is >= 0 and < 1))
        {
            throw new ArgumentOutOfRangeException(nameof(HeldOut), HeldOut, "Expected a number from 0 to below 1.");
        }

        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(VocabularySize);
    }
}
