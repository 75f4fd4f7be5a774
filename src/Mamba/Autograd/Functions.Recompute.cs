using Mamba.Devices;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>
    /// Computes <c>forward(x)</c> without keeping what the way back needs: that is computed a second time when the tape
    /// gets there. Time for memory: a third more of the one, and of the other only x stays.
    /// </summary>
    /// <param name="forward">
    /// A function of x, of parameters and of other arrays. It is called twice, and must give the same both times.
    /// </param>
    /// <param name="x">The input.</param>
    /// <returns>What the function returns; gradients are those of calling it directly, to the bit.</returns>
    /// <remarks>Chen et al., <see href="https://arxiv.org/abs/1604.06174"/>. May be nested.</remarks>
    public static DeviceArray Recompute(Func<DeviceArray, DeviceArray> forward, DeviceArray x)
    {
        ArgumentNullException.ThrowIfNull(forward);
        return Recompute(inputs => [forward(inputs[0])], [x])[0];
    }

    /// <summary>
    /// Does so for a function of several arrays that returns several; some may be inputs, passed through.
    /// </summary>
    internal static DeviceArray[] Recompute(Func<DeviceArray[], DeviceArray[]> forward, DeviceArray[] inputs)
    {
        Device device = inputs[0].Device;
        if (device.Tape is not { } tape)
        {
            return forward(inputs);
        }

        // Under a tape of its own, though that is thrown away: a device may take another route where nothing is kept.
        int[] followed = [];
        DeviceArray[] outputs = UnderInnerTape(
            device,
            (scope, _) =>
            {
                DeviceArray[] results = forward(inputs);
                followed =
                [
                    .. Enumerable.Range(0, results.Length).Where(i =>
                        results[i].RequiresGradient && device.IsInInnermostScope(results[i].Storage)),
                ];
                foreach (DeviceArray result in results)
                {
                    scope.Keep(result);
                }

                return [.. results];
            });
        if (followed.Length > 0)
        {
            tape.Record(
                Array.ConvertAll(followed, i => outputs[i]),
                () => RecomputeBackward(tape, forward, inputs, outputs, followed));
        }

        return outputs;
    }

    private static void RecomputeBackward(
        Tape tape,
        Func<DeviceArray[], DeviceArray[]> forward,
        DeviceArray[] inputs,
        DeviceArray[] outputs,
        int[] followed)
    {
        int[] arrived = Array.FindAll(followed, i => outputs[i].Gradient.Exists);
        UnderInnerTape(
            inputs[0].Device,
            (_, inner) =>
            {
                DeviceArray[] again = forward(inputs);
                inner.Backward(Array.ConvertAll(arrived, i => (again[i], tape.GradientOf(outputs[i]))));
                return again;
            });
    }

    /// <summary>Suspends the device's tape while something runs in a scope and under a tape of its own.</summary>
    private static DeviceArray[] UnderInnerTape(Device device, Func<DeviceScope, Tape, DeviceArray[]> run)
    {
        Tape? suspended = device.Tape;
        device.Tape = null;
        try
        {
            using DeviceScope scope = device.Scope();
            using Tape inner = new(device, suspended);
            return run(scope, inner);
        }
        finally
        {
            device.Tape = suspended;
        }
    }
}
