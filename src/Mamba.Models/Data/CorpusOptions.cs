namespace Mamba.Models.Data;

/// <summary>How the files of a <see cref="TokenCorpus"/> are read and divided.</summary>
/// <example>
/// <code>
/// CorpusOptions options = new() { Separator = [10, 10], HeldOut = 0.05, Seed = 1 }; // documents end at a blank line
/// using TokenCorpus corpus = TokenCorpus.Open("book.txt", options);
/// </code>
/// </example>
public sealed record CorpusOptions
{
    /// <summary>Bytes of a token, little-endian: 1, 2 or 4.</summary>
    public int TokenBytes { get; init; } = 1;

    /// <summary>
    /// The tokens that end a document and belong to it. If empty, every file is one document. A document that consists
    /// of its separator alone belongs to the one before it.
    /// </summary>
    public IReadOnlyList<int> Separator { get; init; } = [];

    /// <summary>The fraction of the documents that is held out, in [0, 1); of a single document, its end.</summary>
    public double HeldOut { get; init; }

    /// <summary>Decides which documents are held out.</summary>
    public ulong Seed { get; init; }

    /// <summary>Size of the vocabulary; every token must be below it.</summary>
    public int VocabularySize { get; init; } = 256;

    /// <summary>Throws on the first invalid setting, by name.</summary>
    /// <exception cref="ArgumentException">A setting is out of its range.</exception>
    public void Validate()
    {
        Setting.Require(TokenBytes is 1 or 2 or 4, nameof(TokenBytes), "1, 2 or 4", TokenBytes);
        Setting.RequireDecay(HeldOut, nameof(HeldOut));
        Setting.RequirePositive(VocabularySize, nameof(VocabularySize));
        Setting.RequireNotNull(Separator, nameof(Separator), "a list of tokens, which may be empty");
        foreach (int token in Separator)
        {
            Setting.Require(
                token >= 0 && token < VocabularySize, nameof(Separator), "tokens below VocabularySize",
                $"{token} with {VocabularySize}");
        }
    }
}
