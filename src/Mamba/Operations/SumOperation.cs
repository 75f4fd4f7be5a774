using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary><c>y[0] = scale·Σ x</c> over all elements.</summary>
internal readonly record struct SumOperation : IOperation<SumOperation>
{
    public required DeviceArray X { get; init; }

    public required double Scale { get; init; }

    public DeviceArray Y { get; init; }

    public SumOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { X = map.Operand(X), Y = map.Output(Y) };

    public SumOperation Prepare(Device device, bool keep) => this with { Y = device.AllocateOutput([1]) };

    public void Forward(Device device) => device.Sum(X, Scale, Y);

    public void Backward(Device device, in SumOperation gradients) =>
        device.SumBackward(Scale, gradients.Y, gradients.X);
}
