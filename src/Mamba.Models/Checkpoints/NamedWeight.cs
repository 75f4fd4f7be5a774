using Mamba.Devices;
using Mamba.Layers;

namespace Mamba.Models.Checkpoints;

/// <summary>A parameter under its name in a checkpoint, and how its elements are laid out there.</summary>
internal sealed record NamedWeight(string Name, Parameter Parameter, WeightLayout Layout = WeightLayout.Same)
{
    /// <summary>The sizes in the checkpoint.</summary>
    public int[] Shape
    {
        get
        {
            Shape own = Parameter.Value.Shape;
            return Layout switch
            {
                WeightLayout.Transposed => [own[1], own[0]],
                WeightLayout.Convolution => [own[1], 1, own[0]],
                _ => own.ToArray(),
            };
        }
    }

    /// <summary>Takes over elements that are laid out as in the checkpoint.</summary>
    public void Load(float[] values) => Parameter.Value.CopyFrom(
        Layout == WeightLayout.Same ? values : Transpose(values, Parameter.Value.Shape[1], Parameter.Value.Shape[0]));

    /// <summary>Lays out the parameter, or an array of its shape, as in the checkpoint.</summary>
    public float[] Export(DeviceArray array) => Layout == WeightLayout.Same
        ? array.ToArray()
        : Transpose(array.ToArray(), array.Shape[0], array.Shape[1]);

    /// <summary>Reads some elements of the parameter, laid out as in the checkpoint.</summary>
    public void Read(long start, Span<float> target)
    {
        DeviceArray array = Parameter.Value;
        if (Layout == WeightLayout.Same)
        {
            array.Reshape([1, checked((int)array.Shape.Count)]).Slice((int)start, target.Length).CopyTo(target);
            return;
        }

        Export(array).AsSpan((int)start, target.Length).CopyTo(target);
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
