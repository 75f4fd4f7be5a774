using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

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
        RecomputeOperation operation = new() { Function = forward, Inputs = inputs, Noise = tape.Noise };
        DeviceArray[] outputs = UnderInnerTape(
            device,
            (scope, inner) =>
            {
                DeviceArray[] results = forward(inputs);
                tape.Noise = inner.Noise;
                operation = operation with
                {
                    Operands = inner.OperandsOf(tape),
                    Followed =
                    [
                        .. Enumerable.Range(0, results.Length).Where(i =>
                            results[i].RequiresGradient && device.IsInInnermostScope(results[i].Storage)),
                    ],
                };
                foreach (DeviceArray result in results)
                {
                    scope.Keep(result);
                }

                return [.. results];
            });
        if (operation.Followed.Length > 0)
        {
            tape.Record(operation with { Outputs = Array.ConvertAll(operation.Followed, i => outputs[i]) });
        }

        return outputs;
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

    /// <summary>Computes a function again, and goes back through it.</summary>
    private readonly record struct RecomputeOperation : IDifferentiable<RecomputeOperation>
    {
        public required Func<DeviceArray[], DeviceArray[]> Function { get; init; }

        public required DeviceArray[] Inputs { get; init; }

        /// <summary>Where the random numbers stood before the function: it draws the same again.</summary>
        public required (long? Seed, long Draw) Noise { get; init; }

        /// <summary>Parameters and other arrays of the enclosing tape that the function uses.</summary>
        public DeviceArray[] Operands { get; init; }

        /// <summary>The results of the function that depend on the operands, by their numbers.</summary>
        public int[] Followed { get; init; }

        /// <summary>The results that <see cref="Followed"/> names.</summary>
        public DeviceArray[] Outputs { get; init; }

        public RecomputeOperation Map<TMap>(ref TMap map)
            where TMap : struct, IArrayMap
        {
            DeviceArray[] outputs = new DeviceArray[Outputs.Length];
            for (int i = 0; i < outputs.Length; i++)
            {
                outputs[i] = map.Output(Outputs[i]);
            }

            return this with { Operands = MapAll(Operands, ref map), Outputs = outputs };
        }

        public void Backward(Device device, in RecomputeOperation gradients)
        {
            (RecomputeOperation self, DeviceArray[] arrived) = (this, gradients.Outputs);
            UnderInnerTape(
                device,
                (_, inner) =>
                {
                    (inner.Noise, inner.IsRepeating) = (self.Noise, true);
                    DeviceArray[] again = self.Function(self.Inputs);
                    inner.Backward(
                    [
                        .. Enumerable.Range(0, arrived.Length).Where(i => arrived[i].Exists)
                            .Select(i => (again[self.Followed[i]], arrived[i])),
                    ]);
                    return again;
                });
        }
    }
}
