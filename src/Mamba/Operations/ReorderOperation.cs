using Mamba.Devices;
using Mamba.Memory;
using Mamba.Orders;

namespace Mamba.Operations;

/// <summary>
/// <c>y[b, t] = x[b, order[t]]</c>, zeros if the order is -1; or the adjoint, <c>y[b, p] = Σ x[b, t]</c> over the steps
/// t with <c>order[t] = p</c>. Each is the backward pass of the other.
/// </summary>
internal readonly record struct ReorderOperation : IOperation<ReorderOperation>
{
    public required DeviceArray X { get; init; }

    public required ScanOrder Order { get; init; }

    public Segments? Segments { get; init; }

    /// <summary>Whether x is in the order of steps and y in that of the grid; otherwise the reverse.</summary>
    public required bool Restores { get; init; }

    public DeviceArray Y { get; init; }

    private Shape Grid => Restores ? Y.Shape : X.Shape;

    public ReorderOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { X = map.Operand(X), Y = map.Output(Y) };

    public ReorderOperation Prepare(Device device, bool keep)
    {
        Order.RequireFit(X.Shape, Segments, Restores);
        Shape shape = Order.HasLength
            ? [X.Shape[0], Restores ? Order.GridLength : Order.Length, X.Shape.Width]
            : X.Shape;
        return this with { Y = device.AllocateOutput(shape, X.Precision) };
    }

    public void Forward(Device device)
    {
        using DeviceScope scope = device.Scope();
        OrderPlaces places = device.PlacesOf(Order, Grid, Segments);
        if (!Restores)
        {
            Pick(device, places, X, Y, accumulate: false);
            return;
        }

        if (!Order.VisitsOnce)
        {
            device.Fill(Y, 0f);
        }

        PutBack(device, places, X, Y, accumulate: !Order.VisitsOnce);
    }

    public void Backward(Device device, in ReorderOperation gradients)
    {
        using DeviceScope scope = device.Scope();
        OrderPlaces places = device.PlacesOf(Order, Grid, Segments);
        if (Restores)
        {
            Pick(device, places, gradients.Y, gradients.X, accumulate: true);
        }
        else
        {
            PutBack(device, places, gradients.Y, gradients.X, accumulate: true);
        }
    }

    private static void Pick(Device device, in OrderPlaces places, DeviceArray x, DeviceArray y, bool accumulate)
    {
        if (places.Parts > 0)
        {
            device.GatherRows(x, places.Positions, places.Parts, y, accumulate);
        }
    }

    /// <summary>
    /// Gathers by the inverse order, with independent rows; an order that repeats tokens needs a sum.
    /// </summary>
    private void PutBack(Device device, in OrderPlaces places, DeviceArray y, DeviceArray x, bool accumulate)
    {
        if (places.Parts > 0 && Order.VisitsOnce)
        {
            device.GatherRows(y, places.Inverse, places.Parts, x, accumulate);
        }
        else if (places.Parts > 0)
        {
            device.GatherRowsBackward(places.Positions, places.Parts, y, x);
        }
    }
}
