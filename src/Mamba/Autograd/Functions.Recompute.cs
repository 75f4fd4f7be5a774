using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>
    /// Computes <c>forward(x)</c> with activation checkpointing: the tape keeps only x, and the backward pass computes
    /// the function again. This takes about a third more time and saves the memory of the activations.
    /// </summary>
    /// <param name="forward">
    /// A function of x, of parameters and of other arrays. It is called twice and must return the same values both
    /// times.
    /// </param>
    /// <param name="x">The input.</param>
    /// <returns>The result of the function; gradients equal those of a direct call, bit for bit.</returns>
    /// <remarks>Chen et al., <see href="https://arxiv.org/abs/1604.06174"/>. May be nested.</remarks>
    public static DeviceArray Recompute(Func<DeviceArray, DeviceArray> forward, DeviceArray x)
    {
        ArgumentNullException.ThrowIfNull(forward);
        return Recompute(inputs => [forward(inputs[0])], [x])[0];
    }

    /// <summary>
    /// Applies activation checkpointing to a function of several arrays with several results. Inputs may be among the
    /// results.
    /// </summary>
    internal static DeviceArray[] Recompute(Func<DeviceArray[], DeviceArray[]> forward, DeviceArray[] inputs)
    {
        Device device = inputs[0].Device;
        if (device.Tape is not { } tape)
        {
            return forward(inputs);
        }

        // Runs under a tape that is thrown away, because a device may compute differently without a tape.
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

    /// <summary>Suspends the device's tape and runs a function with its own scope and tape.</summary>
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

    /// <summary>Computes a function again and then its backward pass.</summary>
    private readonly record struct RecomputeOperation : IDifferentiable<RecomputeOperation>
    {
        public required Func<DeviceArray[], DeviceArray[]> Function { get; init; }

        public required DeviceArray[] Inputs { get; init; }

        /// <summary>State of the random numbers before the function, so that it draws the same again.</summary>
        public required (long? Seed, long Draw) Noise { get; init; }

        /// <summary>Parameters and other arrays of the enclosing tape that the function uses.</summary>
        public DeviceArray[] Operands { get; init; }

        /// <summary>Indices of the function's results that depend on the operands.</summary>
        public int[] Followed { get; init; }

        /// <summary>The results at the indices <see cref="Followed"/>.</summary>
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
