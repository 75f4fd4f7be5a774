using Mamba.Checkpoints;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Models.Checkpoints;

/// <summary>A parameter with its name and layout in a checkpoint.</summary>
/// <param name="Name">The name.</param>
/// <param name="Parameter">The parameter.</param>
/// <param name="Layout">The layout in the checkpoint.</param>
/// <param name="Linear">The projection that the weight belongs to, with an adapter to merge; null: none.</param>
internal sealed record NamedWeight(
    string Name, Parameter Parameter, WeightLayout Layout = WeightLayout.Same, Linear? Linear = null)
{
    /// <summary>The shape in the checkpoint.</summary>
    public int[] Shape => ShapeOf(Parameter.Value.Shape, Layout);

    /// <summary>The shape in a checkpoint, from a shape in this library.</summary>
    public static int[] ShapeOf(Shape own, WeightLayout layout) => layout switch
    {
        WeightLayout.Transposed => [own[1], own[0]],
        WeightLayout.Convolution => [own[1], 1, own[0]],
        _ => own.ToArray(),
    };

    /// <summary>Stores a parameter narrow.</summary>
    /// <exception cref="ArithmeticException">A weight does not fit the precision.</exception>
    public static void Narrow(ITensorSource source, string name, Parameter parameter, Precision precision)
    {
        try
        {
            parameter.Narrow(precision);
        }
        catch (ArithmeticException exception)
        {
            throw new ArithmeticException(
                $"{source.Path}: \"{name}\" cannot be stored as {precision}: {exception.Message}", exception);
        }
    }

    /// <summary>Loads elements with the checkpoint's layout.</summary>
    public void Load(float[] values) => Parameter.Value.CopyFrom(
        Layout == WeightLayout.Same ? values : Transpose(values, Parameter.Value.Shape[1], Parameter.Value.Shape[0]));

    /// <summary>Returns the parameter, or an array of its shape, with the checkpoint's layout.</summary>
    public float[] Export(DeviceArray array) => Layout == WeightLayout.Same
        ? array.ToArray()
        : Transpose(array.ToArray(), array.Shape[0], array.Shape[1]);

    /// <summary>Throws if the parameter, or its adapter, was never set or has been freed.</summary>
    public void RequireSet()
    {
        Parameter.RequireSet(Name);
        foreach ((string part, Parameter parameter) in Linear?.Adapter?.Parameters ?? [])
        {
            parameter.RequireSet($"{Name}, adapter.{part}");
        }
    }

    /// <summary>
    /// Reads some elements of the parameter with the checkpoint's layout; low-precision elements are widened.
    /// </summary>
    public void Read(long start, Span<float> target)
    {
        RequireSet();
        DeviceArray array = Parameter.Value;
        if (Linear?.Adapter is { } adapter)
        {
            ReadMerged(array, adapter, start, target);
        }
        else if (Layout == WeightLayout.Same)
        {
            array.ReadElements((nint)start, target);
        }
        else
        {
            Export(array).AsSpan((int)start, target.Length).CopyTo(target);
        }
    }

    /// <summary>Computes the merged rows that contain the elements; the matrix does not change.</summary>
    private static void ReadMerged(DeviceArray matrix, LowRankAdapter adapter, long start, Span<float> target)
    {
        int width = matrix.Shape.Width, first = (int)(start / width);
        int count = (int)((start + target.Length + width - 1) / width) - first;
        using DeviceScope scope = matrix.Device.Scope();
        DeviceArray rows = matrix.Device.Allocate([count, width]);
        matrix.Device.Copy(matrix.RowRange(first, count), rows);
        adapter.AddTo(first, rows);
        rows.ReadElements((nint)(start - ((long)first * width)), target);
    }

    private static float[] Transpose(float[] values, int rows, int columns)
    {
        float[] result = new float[values.Length];
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                result[(column * rows) + row] = values[(row * columns) + column];
            }
        }

        return result;
    }
}
