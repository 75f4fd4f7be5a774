using System.Runtime.CompilerServices;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

/// <summary>
/// Functions over arrays, for composing models. Each records its backward pass on the device's tape, if there is one.
/// </summary>
/// <remarks>
/// A function allocates its outputs in the innermost scope of the device, which frees them; without one it throws an
/// <see cref="InvalidOperationException"/>. All operands are on one device.
/// </remarks>
public static partial class Functions
{
    /// <summary>
    /// Checks an operation, allocates its outputs, computes them, and records it if a tape follows it.
    /// </summary>
    /// <param name="device">The device of the operands.</param>
    /// <param name="operation">The operation without outputs.</param>
    /// <returns>The operation with its outputs.</returns>
    private static TOperation Run<TOperation>(Device device, in TOperation operation)
        where TOperation : struct, IOperation<TOperation>
    {
        bool follows = Tape.Follows(operation);
        TOperation prepared = operation.Prepare(device, follows);
        prepared.Forward(device);
        if (follows)
        {
            device.Tape!.Record(prepared);
        }

        return prepared;
    }

    /// <summary>The device of a required operand.</summary>
    /// <exception cref="ArgumentException">The operand is absent.</exception>
    private static Device Require(
        DeviceArray operand, [CallerArgumentExpression(nameof(operand))] string name = "") => operand.Exists
        ? operand.Device
        : throw new ArgumentException($"{name} is required; found none (default).", name);
}
