using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary><c>y[o, j]</c>, the largest or smallest of <c>x[o, i, j]</c> over i.</summary>
internal readonly record struct ExtremumOperation : IOperation<ExtremumOperation>
{
    /// <summary>x, contiguous.</summary>
    public required DeviceArray X { get; init; }

    /// <summary>The axis of x.</summary>
    public required AxisView View { get; init; }

    /// <summary>Whether to find the largest; otherwise the smallest.</summary>
    public required bool Largest { get; init; }

    /// <summary>The shape of y.</summary>
    public required Shape Shape { get; init; }

    public DeviceArray Y { get; init; }

    /// <summary>The first i of each extremum, int32; absent if no backward pass follows.</summary>
    public DeviceArray Places { get; init; }

    public ExtremumOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { X = map.Operand(X), Y = map.Output(Y) };

    public ExtremumOperation Prepare(Device device, bool keep) => this with
    {
        Y = device.AllocateOutput(Shape, X.Precision),
        Places = keep ? device.AllocateOutput(Shape) : default,
    };

    public void Forward(Device device) => device.AxisExtremum(X, View, Largest, Y, Places);

    public void Backward(Device device, in ExtremumOperation gradients) =>
        device.AxisExtremumBackward(Places, View, gradients.Y, gradients.X);
}
