using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>
/// <c>y = start + x·Wᵀ + b</c> for every row of x. The bits of a row do not depend on the number of sequences, but may
/// depend on the length of a sequence.
/// </summary>
internal readonly record struct LinearOperation : IOperation<LinearOperation>
{
    /// <summary>x, [K], [length, K] or [.., length, K].</summary>
    public required DeviceArray X { get; init; }

    /// <summary>W, [N, K].</summary>
    public required DeviceArray Weight { get; init; }

    /// <summary>b, [N]; optional.</summary>
    public DeviceArray Bias { get; init; }

    /// <summary>What the product is added to, in the shape of y; optional. A device may be given y itself.</summary>
    public DeviceArray Start { get; init; }

    /// <summary>y, in the shape of x with N in place of K; in the precision of the start if there is one.</summary>
    public DeviceArray Y { get; init; }

    public LinearOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with
        {
            X = map.Operand(X),
            Weight = map.Operand(Weight),
            Bias = map.Operand(Bias),
            Start = map.Operand(Start),
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

        Shape shape = X.Shape.WithWidth(Weight.Shape[0]);
        DeviceArray.RequireOptional("the start", Start, shape);
        return this with
        {
            Y = Start.Exists ? device.AllocateOutput(shape, Start.Precision) : device.AllocateActivation(shape),
        };
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

        // A copy, not the same memory: other uses of the start add to its gradient, and y keeps a gradient of its own.
        device.AddIfWanted(gradients.Y, gradients.Start);
    }
}
