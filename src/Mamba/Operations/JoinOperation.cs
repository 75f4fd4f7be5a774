using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>Concatenates arrays along an axis.</summary>
internal readonly record struct JoinOperation : IOperation<JoinOperation>
{
    /// <summary>
    /// At least one array; shapes differ only along the axis. Contiguous unless the axis is the last.
    /// </summary>
    public required DeviceArray[] Parts { get; init; }

    public required int Axis { get; init; }

    public DeviceArray Y { get; init; }

    public JoinOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap
    {
        DeviceArray[] mapped = new DeviceArray[Parts.Length];
        for (int i = 0; i < mapped.Length; i++)
        {
            mapped[i] = map.Operand(Parts[i]);
        }

        return this with { Parts = mapped, Y = map.Output(Y) };
    }

    public JoinOperation Prepare(Device device, bool keep)
    {
        (Shape shape, int total) = (Parts[0].Shape, 0);
        foreach (DeviceArray part in Parts)
        {
            if (part.Shape.Rank != shape.Rank || part.Shape.WithSize(Axis, shape[Axis]) != shape)
            {
                throw new ArgumentException(
                    $"Expected arrays that differ in axis {Axis} alone; found {shape} and {part.Shape}.");
            }

            total = checked(total + part.Shape[Axis]);
        }

        return this with { Y = device.AllocateOutput(shape.WithSize(Axis, total), Parts[0].Precision) };
    }

    public void Forward(Device device)
    {
        int start = 0;
        foreach (DeviceArray part in Parts)
        {
            DeviceArray rows = RowsOf(part);
            device.Copy(rows, RowsOf(Y).Slice(start, rows.Shape.Width));
            start += rows.Shape.Width;
        }
    }

    public void Backward(Device device, in JoinOperation gradients)
    {
        int start = 0;
        for (int i = 0; i < Parts.Length; i++)
        {
            int width = RowsOf(Parts[i]).Shape.Width;
            if (gradients.Parts[i].Exists)
            {
                device.AddScaled(RowsOf(gradients.Y).Slice(start, width), 1f, RowsOf(gradients.Parts[i]));
            }

            start += width;
        }
    }

    /// <summary>An array as [outer, count·inner].</summary>
    private DeviceArray RowsOf(DeviceArray array)
    {
        AxisView view = AxisView.Of(array.Shape, Axis);
        return array.Reshape([checked((int)view.Outer), checked((int)(view.Count * view.Inner))]);
    }
}
