using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary><c>y[j] = e^x[j] / Σ_k e^x[k]</c>, row by row.</summary>
internal readonly record struct SoftmaxOperation : IOperation<SoftmaxOperation>
{
    public required DeviceArray X { get; init; }

    public DeviceArray Y { get; init; }

    public SoftmaxOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { X = map.Operand(X), Y = map.Output(Y) };

    public SoftmaxOperation Prepare(Device device, bool keep) =>
        this with { Y = device.AllocateOutput(X.Shape, X.Precision) };

    public void Forward(Device device) => device.Softmax(X, Y);

    public void Backward(Device device, in SoftmaxOperation gradients) =>
        device.SoftmaxBackward(Y, gradients.Y, gradients.X);
}
