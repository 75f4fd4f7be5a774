using Mamba.Devices;

namespace Mamba.Operations;

/// <summary>What a tape records: a computation with its operands and outputs.</summary>
/// <remarks>
/// <see cref="Map{TMap}"/> is the only list of the arrays. With it the tape finds out which operands it follows, and
/// makes the record of gradients: the same record, with the gradient of each array in its place.
/// </remarks>
/// <typeparam name="TSelf">The record itself.</typeparam>
internal interface IDifferentiable<TSelf>
    where TSelf : struct, IDifferentiable<TSelf>
{
    /// <summary>Puts other arrays in place of operands and outputs.</summary>
    /// <returns>The same computation on the other arrays.</returns>
    TSelf Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap;

    /// <summary>Adds to the gradients of the operands.</summary>
    /// <param name="device">The device that computes.</param>
    /// <param name="gradients">
    /// The gradients of the outputs, of which at least one exists, and those of the operands, to be added to; a
    /// gradient is absent if none has reached the output, or if none of the operand is wanted.
    /// </param>
    void Backward(Device device, in TSelf gradients);
}
