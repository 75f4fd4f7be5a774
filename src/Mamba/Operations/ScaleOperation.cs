using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary><c>y = factor·x</c>.</summary>
internal readonly record struct ScaleOperation : IOperation<ScaleOperation>
{
    public required DeviceArray X { get; init; }

    public required float Factor { get; init; }

    public DeviceArray Y { get; init; }

    public ScaleOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { X = map.Operand(X), Y = map.Output(Y) };

    public ScaleOperation Prepare(Device device, bool keep) =>
        this with { Y = device.AllocateOutput(X.Shape, X.Precision) };

    public void Forward(Device device) => device.Scale(X, Factor, Y);

    public void Backward(Device device, in ScaleOperation gradients) =>
        device.AddScaled(gradients.Y, Factor, gradients.X);
}
