using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary><c>y[o, j] = scale·Σ_i x[o, i, j]</c></summary>
internal readonly record struct SumAxisOperation : IOperation<SumAxisOperation>
{
    /// <summary>x, contiguous.</summary>
    public required DeviceArray X { get; init; }

    /// <summary>The axis of x.</summary>
    public required AxisView View { get; init; }

    public required double Scale { get; init; }

    /// <summary>The shape of y.</summary>
    public required Shape Shape { get; init; }

    public DeviceArray Y { get; init; }

    public SumAxisOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { X = map.Operand(X), Y = map.Output(Y) };

    public SumAxisOperation Prepare(Device device, bool keep) => this with { Y = device.AllocateOutput(Shape) };

    public void Forward(Device device) => device.SumAxis(X, View, Scale, Y, accumulate: false);

    public void Backward(Device device, in SumAxisOperation gradients) =>
        device.RepeatAxis(gradients.Y, View, Scale, gradients.X, accumulate: true);
}
