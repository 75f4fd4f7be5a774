using Mamba.Devices;
using Mamba.Memory;
using Mamba.Simd;

namespace Mamba.Operations;

/// <summary><c>y[o, i, j] = f(a[o, i, j], b[o, j])</c>: b is repeated along one block of axes.</summary>
/// <typeparam name="TOp">f.</typeparam>
internal readonly record struct BroadcastOperation<TOp> : IOperation<BroadcastOperation<TOp>>
    where TOp : struct, IZip
{
    /// <summary>The larger operand, contiguous.</summary>
    public required DeviceArray A { get; init; }

    /// <summary>The repeated operand, contiguous.</summary>
    public required DeviceArray B { get; init; }

    /// <summary>The block of axes of a.</summary>
    public required AxisView View { get; init; }

    public DeviceArray Y { get; init; }

    public BroadcastOperation<TOp> Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { A = map.Operand(A), B = map.Operand(B), Y = map.Output(Y) };

    /// <remarks>The precision of a channel weight does not change that of the activations.</remarks>
    public BroadcastOperation<TOp> Prepare(Device device, bool keep) =>
        this with { Y = device.AllocateOutput(A.Shape, A.Precision) };

    public void Forward(Device device) => device.Zip<TOp>(A, B, View, Y);

    public void Backward(Device device, in BroadcastOperation<TOp> gradients) =>
        device.ZipBackward<TOp>(A, B, View, gradients.Y, gradients.A, gradients.B);
}

/// <summary><c>f(b, a)</c>: an operator whose first operand is the repeated one.</summary>
/// <typeparam name="TOp">f.</typeparam>
internal readonly struct Swapped<TOp> : IZip
    where TOp : struct, IZip
{
    public static TLanes Apply<TLanes>(TLanes a, TLanes b)
        where TLanes : struct, ILanes<TLanes> => TOp.Apply(b, a);

    public static TLanes DerivativeA<TLanes>(TLanes a, TLanes b)
        where TLanes : struct, ILanes<TLanes> => TOp.DerivativeB(b, a);

    public static TLanes DerivativeB<TLanes>(TLanes a, TLanes b)
        where TLanes : struct, ILanes<TLanes> => TOp.DerivativeA(b, a);
}
