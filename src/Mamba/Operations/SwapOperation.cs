using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary><c>y[o, j, i, k] = x[o, i, j, k]</c>: swaps two neighbouring blocks of axes.</summary>
internal readonly record struct SwapOperation : IOperation<SwapOperation>
{
    /// <summary>x, contiguous.</summary>
    public required DeviceArray X { get; init; }

    /// <summary>The sizes of x.</summary>
    public required SwapView View { get; init; }

    /// <summary>The shape of y.</summary>
    public required Shape Shape { get; init; }

    public DeviceArray Y { get; init; }

    public SwapOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { X = map.Operand(X), Y = map.Output(Y) };

    public SwapOperation Prepare(Device device, bool keep) =>
        this with { Y = device.AllocateOutput(Shape, X.Precision) };

    public void Forward(Device device) => device.SwapAxes(X, View, Y, accumulate: false);

    public void Backward(Device device, in SwapOperation gradients) =>
        device.SwapAxes(gradients.Y, View.Swapped, gradients.X, accumulate: true);
}
