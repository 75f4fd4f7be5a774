using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>
/// <c>y = x·Wᵀ + b</c> for every row of x. The bits of a row do not depend on the number of sequences, but may depend
/// on the length of a sequence.
/// </summary>
internal readonly record struct LinearOperation : IOperation<LinearOperation>
{
    /// <summary>x, [K], [length, K] or [.., length, K].</summary>
    public required DeviceArray X { get; init; }

    /// <summary>W, [N, K].</summary>
    public required DeviceArray Weight { get; init; }

    /// <summary>b, [N]; optional.</summary>
    public DeviceArray Bias { get; init; }

    /// <summary>y, in the shape of x with N in place of K.</summary>
    public DeviceArray Y { get; init; }

    public LinearOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with
        {
            X = map.Operand(X),
            Weight = map.Operand(Weight),
            Bias = map.Operand(Bias),
            Y = map.Output(Y),
        };

    public LinearOperation Prepare(Device device, bool keep)
    {
        if (Weight.Shape.Rank != 2 || Weight.Shape.Width != X.Shape.Width)
        {
            throw new ArgumentException($"Expected weights [N, {X.Shape.Width}] for {X.Shape}; found {Weight.Shape}.");
        }

        if (Bias.Exists && Bias.Shape.Count != Weight.Shape[0])
        {
            throw new ArgumentException($"Expected a bias [{Weight.Shape[0]}]; found {Bias.Shape}.");
        }

        return this with { Y = device.AllocateActivation(X.Shape.WithWidth(Weight.Shape[0])) };
    }

    public void Forward(Device device) => device.Linear(this);

    public void Backward(Device device, in LinearOperation gradients)
    {
        if (gradients.X.Exists)
        {
            device.MatMul(gradients.Y, false, Weight, false, gradients.X, accumulate: true); // gx += gy·W
        }

        if (gradients.Weight.Exists)
        {
            device.MatMul(gradients.Y, true, X, false, gradients.Weight, accumulate: true); // gW += gyᵀ·x
        }

        if (gradients.Bias.Exists)
        {
            device.AddColumnSums(gradients.Y, gradients.Bias);
        }
    }
}
