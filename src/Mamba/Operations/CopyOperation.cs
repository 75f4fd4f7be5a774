using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary><c>y = x</c>, y contiguous and of any precision.</summary>
internal readonly record struct CopyOperation : IOperation<CopyOperation>
{
    public required DeviceArray X { get; init; }

    /// <summary>The precision of y; null for that of x.</summary>
    public Precision? Precision { get; init; }

    public DeviceArray Y { get; init; }

    public CopyOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { X = map.Operand(X), Y = map.Output(Y) };

    public CopyOperation Prepare(Device device, bool keep) =>
        this with { Y = device.AllocateOutput(X.Shape, Precision ?? X.Precision) };

    public void Forward(Device device) => device.Copy(X, Y);

    public void Backward(Device device, in CopyOperation gradients) =>
        device.AddScaled(gradients.Y, 1f, gradients.X);
}
