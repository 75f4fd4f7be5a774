using Mamba.Kernels;
using Mamba.Memory;

namespace Mamba.Devices;

/// <content>
/// A that is given as its logarithm, log(-A). If A is complex, [2, states, channels], only the real parts are
/// logarithms.
/// </content>
public abstract partial class Device
{
    /// <summary>Computes A from its logarithm, in the current scope.</summary>
    /// <remarks>
    /// A is not kept from call to call: an optimiser, a loader, an adapter or the caller may write to the logarithm's
    /// memory at any time, and nothing would tell that an earlier A is wrong.
    /// </remarks>
    private protected DeviceArray AOf(DeviceArray log, bool isComplex)
    {
        DeviceArray a = Allocate(log.Shape);
        Map<Elementwise.NegatedExp>(RealParts(log, isComplex), RealParts(a, isComplex));
        if (isComplex)
        {
            Copy(ImaginaryParts(log), ImaginaryParts(a));
        }

        return a;
    }

    /// <summary>The gradient of A: a new one if A is given as its logarithm, else <paramref name="target"/>.</summary>
    private protected DeviceArray GradientOfA(bool isALog, DeviceArray target) =>
        isALog && target.Exists ? Zeros(target.Shape) : target;

    /// <summary>
    /// If A is given as its logarithm, adds the gradient of A to that of the logarithm, times the slope, which is A.
    /// </summary>
    private protected void AddToLog(
        bool isALog, DeviceArray given, bool isComplex, DeviceArray ofA, DeviceArray target)
    {
        if (!isALog || !target.Exists)
        {
            return;
        }

        MapBackward<Elementwise.NegatedExp>(
            RealParts(given, isComplex), RealParts(ofA, isComplex), RealParts(target, isComplex));
        if (isComplex)
        {
            AddScaled(ImaginaryParts(ofA), 1f, ImaginaryParts(target));
        }
    }

    private static DeviceArray RealParts(DeviceArray a, bool isComplex) => isComplex ? Parts(a).RowRange(0, 1) : a;

    private static DeviceArray ImaginaryParts(DeviceArray a) => Parts(a).RowRange(1, 1);

    private static DeviceArray Parts(DeviceArray a) => a.Reshape([2, checked((int)(a.Shape.Count / 2))]);
}
