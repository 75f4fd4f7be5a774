namespace Mamba.Models.Data;

/// <summary>Batches that depend on their number alone, so that training can resume at any of them.</summary>
/// <example>
/// <code>
/// using TokenCorpus corpus = TokenCorpus.Open("book.txt");
/// ITokenBatches batches = new WindowBatches(corpus.Training, rows: 16, length: 256, seed: 1);
/// TokenBatch first = batches[0];
/// </code>
/// </example>
public interface ITokenBatches
{
    /// <summary>Makes a batch.</summary>
    /// <param name="number">The number, from 0; there is no last one.</param>
    /// <returns>The batch.</returns>
    TokenBatch this[long number] { get; }
}
