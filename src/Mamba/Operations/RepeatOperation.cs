using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>An array repeated along a new first axis.</summary>
internal readonly record struct RepeatOperation : IOperation<RepeatOperation>
{
    public required DeviceArray X { get; init; }

    public required int Count { get; init; }

    /// <summary>Shape [count, ..].</summary>
    public DeviceArray Y { get; init; }

    private int Width => checked((int)X.Shape.Count);

    public RepeatOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { X = map.Operand(X), Y = map.Output(Y) };

    public RepeatOperation Prepare(Device device, bool keep) =>
        this with { Y = device.AllocateOutput(Shape.Create([Count, .. X.Shape.ToArray()])) };

    public void Forward(Device device)
    {
        DeviceArray row = X.Reshape([1, Width]), rows = Y.Reshape([Count, Width]);
        for (int i = 0; i < Count; i++)
        {
            device.Copy(row, rows.RowRange(i, 1));
        }
    }

    public void Backward(Device device, in RepeatOperation gradients) =>
        device.AddColumnSums(gradients.Y.Reshape([Count, Width]), gradients.X.Reshape([Width]));
}
