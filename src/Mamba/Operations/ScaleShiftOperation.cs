using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary><c>y[o, i, j] = x[o, i, j]·scale[o, j] + shift[o, j]</c></summary>
internal readonly record struct ScaleShiftOperation : IOperation<ScaleShiftOperation>
{
    /// <summary>x, contiguous.</summary>
    public required DeviceArray X { get; init; }

    /// <summary>The factors, contiguous.</summary>
    public required DeviceArray Scale { get; init; }

    /// <summary>The terms, contiguous.</summary>
    public required DeviceArray Shift { get; init; }

    /// <summary>The block of axes of x along which scale and shift are repeated.</summary>
    public required AxisView View { get; init; }

    public DeviceArray Y { get; init; }

    public ScaleShiftOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with
        {
            X = map.Operand(X),
            Scale = map.Operand(Scale),
            Shift = map.Operand(Shift),
            Y = map.Output(Y),
        };

    /// <remarks>The precision of a channel weight does not change that of the activations.</remarks>
    public ScaleShiftOperation Prepare(Device device, bool keep) =>
        this with { Y = device.AllocateOutput(X.Shape, X.Precision) };

    public void Forward(Device device) => device.ScaleShift(this);

    public void Backward(Device device, in ScaleShiftOperation gradients) =>
        device.ScaleShiftBackward(this, gradients);
}
