using Mamba.Devices;
using Mamba.Kernels;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary><c>y[o, i, j] = e^x[o, i, j] / Σ_k e^x[o, k, j]</c></summary>
internal readonly record struct SoftmaxAxisOperation : IOperation<SoftmaxAxisOperation>
{
    /// <summary>x, contiguous.</summary>
    public required DeviceArray X { get; init; }

    /// <summary>The axis.</summary>
    public required AxisView View { get; init; }

    public DeviceArray Y { get; init; }

    public SoftmaxAxisOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { X = map.Operand(X), Y = map.Output(Y) };

    public SoftmaxAxisOperation Prepare(Device device, bool keep) =>
        this with { Y = device.AllocateOutput(X.Shape, X.Precision) };

    public void Forward(Device device)
    {
        if (View.Length == 0)
        {
            return;
        }

        // The maximum is subtracted, because e^x overflows at x = 89.
        using DeviceScope scope = device.Scope();
        DeviceArray kept = device.AllocateOutput(KeptShape);
        device.AxisExtremum(X, View, largest: true, kept, places: default);
        device.Zip<Elementwise.ExpOfDifference>(X, kept, View, Y);
        device.SumAxis(Y, View, 1, kept, accumulate: false);
        device.Zip<Elementwise.Divide>(Y, kept, View, Y);
    }

    /// <remarks><c>gx += y·(gy - Σ gy·y)</c></remarks>
    public void Backward(Device device, in SoftmaxAxisOperation gradients)
    {
        using DeviceScope scope = device.Scope();
        DeviceArray kept = device.AllocateOutput(KeptShape), terms = device.AllocateOutput(X.Shape);
        device.Zip<Elementwise.Multiply>(gradients.Y, Y, terms);
        device.SumAxis(terms, View, 1, kept, accumulate: false);
        device.Zip<Elementwise.Subtract>(gradients.Y, kept, View, terms);
        device.ZipBackward<Elementwise.Multiply>(terms, Y, terms, gradients.X, default);
    }

    private Shape KeptShape => [checked((int)View.Outer), checked((int)View.Inner)];
}
