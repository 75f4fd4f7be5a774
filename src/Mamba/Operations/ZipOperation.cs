using Mamba.Devices;
using Mamba.Memory;
using Mamba.Simd;

namespace Mamba.Operations;

/// <summary><c>y = f(a, b)</c>, element by element.</summary>
/// <typeparam name="TOp">f.</typeparam>
internal readonly record struct ZipOperation<TOp> : IOperation<ZipOperation<TOp>>
    where TOp : struct, IZip
{
    public required DeviceArray A { get; init; }

    /// <summary>b, in the shape of a.</summary>
    public required DeviceArray B { get; init; }

    public DeviceArray Y { get; init; }

    public ZipOperation<TOp> Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { A = map.Operand(A), B = map.Operand(B), Y = map.Output(Y) };

    /// <remarks>
    /// y is float32 if a is float32: the residual stream stays float32 when the output of a narrower layer is added.
    /// </remarks>
    public ZipOperation<TOp> Prepare(Device device, bool keep) => this with
    {
        Y = device.AllocateOutput(A.Shape, A.Precision == Precision.Float32 ? Precision.Float32 : B.Precision),
    };

    public void Forward(Device device) => device.Zip<TOp>(A, B, Y);

    public void Backward(Device device, in ZipOperation<TOp> gradients) =>
        device.ZipBackward<TOp>(A, B, gradients.Y, gradients.A, gradients.B);
}
