using Mamba.Devices;
using Mamba.Memory;
using Mamba.Simd;

namespace Mamba.Operations;

/// <summary><c>y = f(x)</c>, element by element.</summary>
/// <typeparam name="TOp">f.</typeparam>
internal readonly record struct MapOperation<TOp> : IOperation<MapOperation<TOp>>
    where TOp : struct, IMap
{
    public required DeviceArray X { get; init; }

    public DeviceArray Y { get; init; }

    public MapOperation<TOp> Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { X = map.Operand(X), Y = map.Output(Y) };

    public MapOperation<TOp> Prepare(Device device, bool keep) =>
        this with { Y = device.AllocateOutput(X.Shape, X.Precision) };

    public void Forward(Device device) => device.Map<TOp>(X, Y);

    public void Backward(Device device, in MapOperation<TOp> gradients) =>
        device.MapBackward<TOp>(X, gradients.Y, gradients.X);
}
