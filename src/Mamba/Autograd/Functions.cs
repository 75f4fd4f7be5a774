using System.Runtime.CompilerServices;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

/// <summary>
/// Functions over arrays, the building blocks of models. Each records its backward pass if the device has a tape.
/// </summary>
/// <remarks>
/// Outputs are allocated in the innermost scope of the device, which frees them. Without a scope a function throws an
/// <see cref="InvalidOperationException"/>. All operands must be on one device.
/// </remarks>
public static partial class Functions
{
    /// <summary>
    /// Checks an operation, allocates and computes its outputs, and records it if a tape follows an operand.
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
