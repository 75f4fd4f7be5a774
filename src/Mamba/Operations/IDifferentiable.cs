using Mamba.Devices;

namespace Mamba.Operations;

/// <summary>A computation that a tape can record, with its operands and outputs.</summary>
/// <remarks>
/// <see cref="Map{TMap}"/> is the only list of the arrays. The tape uses it to find the operands that it follows, and
/// to build the record of gradients: the same record with the gradient of each array in its place.
/// </remarks>
/// <typeparam name="TSelf">The record itself.</typeparam>
internal interface IDifferentiable<TSelf>
    where TSelf : struct, IDifferentiable<TSelf>
{
    /// <summary>Replaces operands and outputs by other arrays.</summary>
    /// <returns>The same computation on the other arrays.</returns>
    TSelf Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap;

    /// <summary>Adds to the gradients of the operands.</summary>
    /// <param name="device">The device that computes.</param>
    /// <param name="gradients">
    /// The gradients of the outputs, and those of the operands, to be added to. At least one output has a gradient. The
    /// gradient of an output is absent if none has reached it, that of an operand if it is not wanted.
    /// </param>
    void Backward(Device device, in TSelf gradients);
}
