using System.Runtime.CompilerServices;
using Mamba.Devices;

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
    /// <summary>The device of a required operand.</summary>
    /// <exception cref="ArgumentException">The operand is absent.</exception>
    private static Device Require(
        DeviceArray operand, [CallerArgumentExpression(nameof(operand))] string name = "") => operand.Exists
        ? operand.Device
        : throw new ArgumentException($"{name} is required; found none (default).", name);
}
