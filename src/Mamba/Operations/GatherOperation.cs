using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>
/// <c>y[b, i] = x[b, indices[i]]</c> for rows; zeros if an index is -1. The rows of x and y are split into equal parts
/// b, and all parts use the same indices.
/// </summary>
internal readonly record struct GatherOperation : IOperation<GatherOperation>
{
    public required DeviceArray X { get; init; }

    public required IndexArray Indices { get; init; }

    /// <summary>Number of parts; 0 if there are no rows.</summary>
    public required int Parts { get; init; }

    /// <summary>Shape of y.</summary>
    public required Shape Shape { get; init; }

    public DeviceArray Y { get; init; }

    public GatherOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { X = map.Operand(X), Y = map.Output(Y) };

    public GatherOperation Prepare(Device device, bool keep) => this with { Y = device.AllocateOutput(Shape) };

    public void Forward(Device device)
    {
        if (Parts > 0)
        {
            device.GatherRows(X, Indices, Parts, Y);
        }
    }

    public void Backward(Device device, in GatherOperation gradients)
    {
        if (Parts > 0)
        {
            device.GatherRowsBackward(Indices, Parts, gradients.Y, gradients.X);
        }
    }
}
