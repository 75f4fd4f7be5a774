using Mamba.Devices;

namespace Mamba.Operations;

/// <summary>
/// An operation of a device: a record of operands, settings and outputs. <see cref="Autograd.Functions"/> runs it, and
/// the tape stores it.
/// </summary>
/// <typeparam name="TSelf">The record itself.</typeparam>
internal interface IOperation<TSelf> : IDifferentiable<TSelf>
    where TSelf : struct, IOperation<TSelf>
{
    /// <summary>Checks all shapes and allocates the outputs.</summary>
    /// <param name="device">The device that will compute.</param>
    /// <param name="keep">Whether a backward pass will follow, which may need intermediate results.</param>
    /// <returns>The operation with its outputs.</returns>
    /// <exception cref="ArgumentException">An operand is absent, or has the wrong shape.</exception>
    TSelf Prepare(Device device, bool keep);

    /// <summary>Computes the outputs.</summary>
    void Forward(Device device);
}
