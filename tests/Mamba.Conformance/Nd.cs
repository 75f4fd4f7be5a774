using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Conformance;

/// <summary>A small array on the host, in double, whose axes can be put in another order.</summary>
internal sealed record Nd(int[] Shape, double[] Values)
{
    /// <summary>The elements of a device's array.</summary>
    public static Nd From(DeviceArray array) =>
        new(array.Shape.ToArray(), Array.ConvertAll(array.ToArray(), value => (double)value));

    /// <summary>The same elements under another shape.</summary>
    public Nd Reshape(params int[] shape) => new(shape, Values);

    /// <summary>The axes in another order: the new axis i is the old axis order[i].</summary>
    public Nd Permute(params int[] order)
    {
        int[] shape = Array.ConvertAll(order, axis => Shape[axis]);
        int[] strides = new int[Shape.Length];
        for (int axis = Shape.Length - 1, stride = 1; axis >= 0; stride *= Shape[axis--])
        {
            strides[axis] = stride;
        }

        double[] values = new double[Values.Length];
        int[] index = new int[order.Length];
        for (int i = 0; i < values.Length; i++)
        {
            int source = 0;
            for (int axis = 0; axis < order.Length; axis++)
            {
                source += index[axis] * strides[order[axis]];
            }

            values[i] = Values[source];
            for (int axis = order.Length - 1; axis >= 0 && ++index[axis] == shape[axis]; axis--)
            {
                index[axis] = 0;
            }
        }

        return new(shape, values);
    }

    /// <summary>One entry of the first axis.</summary>
    public Nd At(int index)
    {
        int count = Values.Length / Shape[0];
        return new(Shape[1..], Values[(index * count)..((index + 1) * count)]);
    }

    /// <summary>The last entries of the last axis.</summary>
    public Nd Last(int count)
    {
        int width = Shape[^1];
        return new([.. Shape[..^1], count], [.. Values.Where((_, i) => i % width >= width - count)]);
    }

    /// <summary>Copies to a device.</summary>
    public DeviceArray To(Device device)
    {
        int[] shape = Shape.Length == 0 ? [1] : Shape;
        return device.Array(Mamba.Memory.Shape.Create(shape), Array.ConvertAll(Values, value => (float)value));
    }
}
