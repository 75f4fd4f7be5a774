using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes a function with a custom backward pass.</summary>
    /// <param name="inputs">The arrays that get gradients. All must be on one device.</param>
    /// <param name="forward">
    /// Computes the output, a new array. It calls functions, which are not recorded, or
    /// <see cref="Device.Array(Shape, ReadOnlySpan{float})"/> with numbers computed elsewhere.
    /// </param>
    /// <param name="backward">
    /// Computes the gradient of every input from the gradient of the output, in the order and shapes of the inputs;
    /// <c>default</c> for an input without a gradient. It must not change the gradient of the output. It runs in its
    /// own scope when the tape goes backward, if a gradient has reached the output.
    /// </param>
    /// <returns>The output.</returns>
    /// <exception cref="ArgumentException">
    /// There are no inputs, one is absent or on another device, or the output is an input.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// No scope is open; or, when the tape goes backward, the number or the shapes of the gradients differ from those
    /// of the inputs.
    /// </exception>
    /// <example>
    /// The sign of x with the gradient of the identity (a straight-through estimator, Bengio et al.,
    /// <see href="https://arxiv.org/abs/1308.3432"/>):
    /// <code>
    /// DeviceArray y = Functions.Custom(
    ///     [x],
    ///     () => device.Array(x.Shape, Array.ConvertAll(x.ToArray(), value => (float)MathF.Sign(value))),
    ///     gy => [gy]);
    /// </code>
    /// </example>
    public static DeviceArray Custom(
        ReadOnlySpan<DeviceArray> inputs, Func<DeviceArray> forward, Func<DeviceArray, DeviceArray[]> backward)
    {
        ArgumentNullException.ThrowIfNull(forward);
        ArgumentNullException.ThrowIfNull(backward);
        Device device = inputs.IsEmpty
            ? throw new ArgumentException("Expected the inputs of the function; found none.", nameof(inputs))
            : Require(inputs[0]);
        foreach (DeviceArray input in inputs)
        {
            if (Require(input) != device)
            {
                throw new ArgumentException(
                    $"Expected inputs on \"{device}\"; found one on \"{input.Device}\".", nameof(inputs));
            }
        }

        device.RequireHeld();
        bool follows = Tape.Follows(inputs);
        DeviceArray y;
        using (Tape.Suspend(device))
        {
            y = forward();
        }

        RequireNew(y, inputs, device);
        if (follows)
        {
            device.Tape!.Record(new CustomOperation(inputs.ToArray(), y, backward));
        }

        return y;
    }

    private static void RequireNew(DeviceArray y, ReadOnlySpan<DeviceArray> inputs, Device device)
    {
        if (Require(y) != device)
        {
            throw new ArgumentException($"Expected an output on \"{device}\"; found one on \"{y.Device}\".");
        }

        foreach (DeviceArray input in inputs)
        {
            if (input.Storage == y.Storage)
            {
                throw new ArgumentException(
                    $"Expected a new array as output; found an input, or a view of it, of shape {y.Shape}. Copy it, " +
                    "for instance by Functions.Scale(x, 1).");
            }
        }
    }

    /// <summary>A function with a backward pass from the caller.</summary>
    private readonly record struct CustomOperation(
        DeviceArray[] Inputs, DeviceArray Y, Func<DeviceArray, DeviceArray[]> Compute)
        : IDifferentiable<CustomOperation>
    {
        public CustomOperation Map<TMap>(ref TMap map)
            where TMap : struct, IArrayMap => this with { Inputs = MapAll(Inputs, ref map), Y = map.Output(Y) };

        public void Backward(Device device, in CustomOperation gradients)
        {
            using DeviceScope scope = device.Scope();
            using Tape.Suspension suspension = Tape.Suspend(device);
            DeviceArray[] terms = Compute(gradients.Y);
            if (terms?.Length != Inputs.Length)
            {
                throw new InvalidOperationException(
                    $"Expected a gradient, or default, of each of {Inputs.Length} inputs; found " +
                    $"{terms?.Length ?? 0}.");
            }

            for (int i = 0; i < Inputs.Length; i++)
            {
                if (!terms[i].Exists)
                {
                    continue;
                }

                if (terms[i].Shape != Inputs[i].Shape)
                {
                    throw new InvalidOperationException(
                        $"Expected a gradient {Inputs[i].Shape} of input {i}; found {terms[i].Shape}.");
                }

                device.AddIfWanted(terms[i], gradients.Inputs[i]);
            }
        }
    }

    private static DeviceArray[] MapAll<TMap>(DeviceArray[] operands, ref TMap map)
        where TMap : struct, IArrayMap
    {
        DeviceArray[] mapped = new DeviceArray[operands.Length];
        for (int i = 0; i < operands.Length; i++)
        {
            mapped[i] = map.Operand(operands[i]);
        }

        return mapped;
    }
}
