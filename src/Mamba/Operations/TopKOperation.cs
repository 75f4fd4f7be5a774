using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>The k largest numbers of each row, largest first, and their places; equal numbers in order.</summary>
internal readonly record struct TopKOperation : IOperation<TopKOperation>
{
    /// <summary>x, [.., width].</summary>
    public required DeviceArray X { get; init; }

    /// <summary>k, from 1 to the width.</summary>
    public required int Count { get; init; }

    /// <summary>y, [.., k].</summary>
    public DeviceArray Y { get; init; }

    /// <summary>Index in the row of each element of y, int32, in the shape of y.</summary>
    public DeviceArray Places { get; init; }

    public TopKOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { X = map.Operand(X), Y = map.Output(Y) };

    public TopKOperation Prepare(Device device, bool keep)
    {
        Shape shape = X.Shape.WithWidth(Count);
        return this with { Y = device.AllocateOutput(shape), Places = device.AllocateOutput(shape) };
    }

    public void Forward(Device device) => device.TopK(this);

    public void Backward(Device device, in TopKOperation gradients) => device.TopKBackward(this, gradients);
}
