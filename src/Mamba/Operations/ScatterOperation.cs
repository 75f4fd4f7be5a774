using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary><c>y[indices[i]] += x[i]</c> for rows, starting from zeros; rows with index -1 are dropped.</summary>
internal readonly record struct ScatterOperation : IOperation<ScatterOperation>
{
    public required DeviceArray X { get; init; }

    public required IndexArray Indices { get; init; }

    /// <summary>Number of rows of y.</summary>
    public required int Rows { get; init; }

    public DeviceArray Y { get; init; }

    public ScatterOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { X = map.Operand(X), Y = map.Output(Y) };

    public ScatterOperation Prepare(Device device, bool keep) => Indices.Length == X.Shape.Rows
        ? this with { Y = device.AllocateOutput([Rows, X.Shape.Width], X.Precision) }
        : throw new ArgumentException(
            $"Expected {X.Shape.Rows} indices, one for each row of {X.Shape}; found {Indices.Length}.");

    public void Forward(Device device)
    {
        device.Fill(Y, 0f);
        device.GatherRowsBackward(Indices, 1, X, Y);
    }

    public void Backward(Device device, in ScatterOperation gradients) =>
        device.GatherRows(gradients.Y, Indices, 1, gradients.X, accumulate: true);
}
