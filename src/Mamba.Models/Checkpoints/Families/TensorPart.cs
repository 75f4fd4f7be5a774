namespace Mamba.Models.Checkpoints.Families;

/// <summary>Consecutive elements of a tensor in a checkpoint, and where a parameter of the model holds them.</summary>
/// <param name="Tensor">The tensor's name in the checkpoint.</param>
/// <param name="Shape">The tensor's shape there.</param>
/// <param name="Parameter">The parameter's name in the model.</param>
/// <param name="Layout">The layout of the tensor; other layouts than the same are of whole tensors.</param>
internal sealed record TensorPart(
    string Tensor, int[] Shape, string Parameter, WeightLayout Layout = WeightLayout.Same)
{
    /// <summary>The first element in the tensor.</summary>
    public long Start { get; init; }

    /// <summary>Number of elements.</summary>
    public long Count { get; init; } = Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>The first element in the parameter.</summary>
    public long Place { get; init; }

    /// <summary>
    /// Added to each element in the model: some families store weights as differences from a constant. A saved element
    /// is rounded as the sum is, so that it is loaded to the same bits.
    /// </summary>
    public float Offset { get; init; }
}
