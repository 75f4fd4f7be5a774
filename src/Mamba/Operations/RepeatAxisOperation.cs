using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary><c>y[o, i, j] = x[o, j]</c></summary>
internal readonly record struct RepeatAxisOperation : IOperation<RepeatAxisOperation>
{
    /// <summary>x, contiguous.</summary>
    public required DeviceArray X { get; init; }

    /// <summary>The new axis of y.</summary>
    public required AxisView View { get; init; }

    /// <summary>The shape of y.</summary>
    public required Shape Shape { get; init; }

    public DeviceArray Y { get; init; }

    public RepeatAxisOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { X = map.Operand(X), Y = map.Output(Y) };

    public RepeatAxisOperation Prepare(Device device, bool keep) =>
        this with { Y = device.AllocateOutput(Shape, X.Precision) };

    public void Forward(Device device) => device.RepeatAxis(X, View, 1, Y, accumulate: false);

    public void Backward(Device device, in RepeatAxisOperation gradients) =>
        device.SumAxis(gradients.Y, View, 1, gradients.X, accumulate: true);
}
