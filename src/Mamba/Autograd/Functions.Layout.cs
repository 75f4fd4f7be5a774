using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Concatenates two arrays along the last axis.</summary>
    /// <param name="a">Shape [.., m].</param>
    /// <param name="b">Shape [.., n], the other axes as in <paramref name="a"/>.</param>
    /// <returns>Shape [.., m + n].</returns>
    /// <exception cref="ArgumentException">An axis other than the last differs.</exception>
    public static DeviceArray Concat(DeviceArray a, DeviceArray b)
    {
        Device device = Require(a);
        Require(b);
        return Run(device, new ConcatOperation { A = a, B = b }).Y;
    }

    /// <summary>Returns x itself if it is contiguous, otherwise a contiguous copy.</summary>
    /// <param name="x">Any array.</param>
    /// <returns>A contiguous array of the same shape.</returns>
    public static DeviceArray Contiguous(DeviceArray x)
    {
        Device device = Require(x);
        return x.IsContiguous ? x : Run(device, new CopyOperation { X = x }).Y;
    }

    /// <summary>Repeats an array along a new first axis.</summary>
    /// <param name="x">Shape [..].</param>
    /// <param name="count">Number of repetitions.</param>
    /// <returns>Shape [count, ..].</returns>
    internal static DeviceArray Repeat(DeviceArray x, int count) =>
        Repeat(x.Reshape(Shape.Create([1, .. x.Shape.ToArray()])), 0, count);
}
