namespace Mamba.Models.Data;

/// <summary>Batches that are functions of their number alone, so that training can go on anywhere.</summary>
public interface ITokenBatches
{
    /// <summary>Makes a batch.</summary>
    /// <param name="number">From 0; there is no last one.</param>
    /// <returns>The batch.</returns>
    TokenBatch this[long number] { get; }
}
