using Mamba.Kernels;
using Mamba.Operations;

namespace Mamba.Gpu.Kernels;

/// <summary>Writes number i of the noise to element i; all elements are one row.</summary>
internal readonly struct UniformKernel(Plane plane, NoiseStream noise, GpuRows y) : IKernel
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (plane.Contains(row, column))
        {
            y.StoreQuad(row, column, plane.Width, NoiseQuad.Of(noise, column));
        }
    }
}

/// <summary>
/// <c>y = m·x</c>, added to y if <paramref name="add"/> is 1. m is zero if number <c>⌊i/group⌋</c> is below the
/// threshold, else the scale. All elements are one row.
/// </summary>
internal readonly struct DropoutKernel(
    Plane plane, NoiseStream noise, long group, float threshold, float scale, GpuRows x, int add, GpuRows y) : IKernel
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (plane.Contains(row, column))
        {
            Quad number;
            if (group == 1)
            {
                number = NoiseQuad.Of(noise, column);
            }
            else
            {
                number = new(Number(column), Number(column + 1), Number(column + 2), Number(column + 3));
            }

            Quad mask = new(Mask(number.X), Mask(number.Y), Mask(number.Z), Mask(number.W));
            Quad value = x.LoadQuad(row, column, plane.Width) * mask;
            if (add != 0)
            {
                value += y.LoadQuad(row, column, plane.Width);
            }

            y.StoreQuad(row, column, plane.Width, value);
        }
    }

    private float Number(long index) => Philox.Uniform(Philox.Word(noise, index / group));

    private float Mask(float number) => number < threshold ? 0f : scale;
}

/// <summary>Four numbers of the noise.</summary>
internal static class NoiseQuad
{
    /// <summary>The numbers from <paramref name="first"/> on, a multiple of four.</summary>
    public static Quad Of(NoiseStream noise, long first)
    {
        PhiloxWords words = Philox.Block(noise, first >> 2);
        return new(
            Philox.Uniform(words.X), Philox.Uniform(words.Y), Philox.Uniform(words.Z), Philox.Uniform(words.W));
    }
}
