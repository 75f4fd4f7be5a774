using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes the sum of all elements.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of one element; 0 where there is nothing to add.</returns>
    public static DeviceArray Sum(DeviceArray x) => ScaledSum(x, 1);

    /// <summary>Computes the mean of all elements.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of one element; NaN where there is nothing to average.</returns>
    public static DeviceArray Mean(DeviceArray x) => ScaledSum(x, 1 / (double)x.Shape.Count);

    /// <summary>Computes <c>factor·x</c>.</summary>
    /// <param name="x">The input.</param>
    /// <param name="factor">The factor.</param>
    /// <returns>An array of the same shape.</returns>
    public static DeviceArray Scale(DeviceArray x, float factor) =>
        Run(Require(x), new ScaleOperation { X = x, Factor = factor }).Y;

    private static DeviceArray ScaledSum(DeviceArray x, double scale) =>
        Run(Require(x), new SumOperation { X = x, Scale = scale }).Y;
}
