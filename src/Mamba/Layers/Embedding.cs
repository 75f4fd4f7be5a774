using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>A table with one vector per token.</summary>
/// <example>
/// <code>
/// using Embedding embedding = new(device, 256, 64, new Random(1));
/// DeviceArray h = embedding.Forward(device.Indices([72, 105]), batch: 1, length: 2); // [1, 2, 64]
/// </code>
/// </example>
public sealed class Embedding : Module
{
    /// <summary>Makes the table.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="tokens">Number of tokens, V.</param>
    /// <param name="dim">Width of a vector, D.</param>
    /// <param name="random">Source of the initial weights, normal with deviation 0.02; null leaves them unset.</param>
    public Embedding(Device device, int tokens, int dim, Random? random)
        : base(device) =>
        Weight = AddParameter("weight", [tokens, dim], Initial.Normal(random, 0.02), decays: true);

    /// <summary>The table, shape [tokens, dim].</summary>
    public Parameter Weight { get; }

    /// <summary>Looks up the vectors of tokens.</summary>
    /// <param name="ids">Token ids, row by row: batch·length of them.</param>
    /// <param name="batch">Number of sequences.</param>
    /// <param name="length">Tokens per sequence.</param>
    /// <returns>Shape [batch, length, dim].</returns>
    /// <exception cref="ArgumentOutOfRangeException">A token id is outside the table.</exception>
    public DeviceArray Forward(IndexArray ids, int batch, int length) =>
        Functions.Embedding(Weight.Value, ids, batch, length);
}
