using Mamba.Kernels;
using Mamba.Memory;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes the mean of <c>(x - target)²</c> over all elements.</summary>
    /// <param name="x">The predictions, of any shape.</param>
    /// <param name="target">The targets, of the same shape.</param>
    /// <returns>An array of one element; NaN if there are no elements.</returns>
    /// <exception cref="ArgumentException">The shapes differ.</exception>
    public static DeviceArray MeanSquare(DeviceArray x, DeviceArray target) => Mean(Square(Error(x, target)));

    /// <summary>Computes the mean of <c>|x - target|</c> over all elements.</summary>
    /// <param name="x">The predictions, of any shape.</param>
    /// <param name="target">The targets, of the same shape.</param>
    /// <returns>An array of one element; NaN if there are no elements.</returns>
    /// <exception cref="ArgumentException">The shapes differ.</exception>
    /// <remarks>The derivative is taken to be 0 where both are equal.</remarks>
    public static DeviceArray MeanAbsolute(DeviceArray x, DeviceArray target) => Mean(Abs(Error(x, target)));

    /// <summary>
    /// Computes the mean over all elements of <c>e²/2</c> where <c>|e| ≤ δ</c> and <c>δ·(|e| - δ/2)</c> elsewhere, with
    /// <c>e = x - target</c>.
    /// </summary>
    /// <param name="x">The predictions, of any shape.</param>
    /// <param name="target">The targets, of the same shape.</param>
    /// <param name="threshold">δ, above 0.</param>
    /// <returns>An array of one element; NaN if there are no elements.</returns>
    /// <exception cref="ArgumentException">The shapes differ.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The threshold is not a finite number above 0.</exception>
    /// <remarks>Huber, <see href="https://doi.org/10.1214/aoms/1177703732"/>, 1964.</remarks>
    public static DeviceArray Huber(DeviceArray x, DeviceArray target, float threshold = 1)
    {
        DeviceArray error = Error(x, target);
        Setting.RequirePositiveFloat(threshold, nameof(threshold));
        DeviceArray mean = Mean(Map<Elementwise.Huber>(Scale(error, 1 / threshold)));
        return Scale(mean, threshold * threshold);
    }

    /// <summary>
    /// Computes the mean of <c>-t·log σ(x) - (1 - t)·log(1 - σ(x))</c> over all elements, from logits.
    /// </summary>
    /// <param name="logits">x, logits of any shape, not probabilities.</param>
    /// <param name="target">t, the target probabilities, 0 to 1, of the same shape.</param>
    /// <returns>An array of one element; NaN if there are no elements.</returns>
    /// <exception cref="ArgumentException">The shapes differ.</exception>
    /// <remarks>
    /// Computed as <c>t·softplus(-x) + (1 - t)·softplus(x)</c>: σ(x) rounds to 1 from x = 17 on, where
    /// <c>log(1 - σ(x))</c> would be -∞.
    /// </remarks>
    public static DeviceArray BinaryCrossEntropy(DeviceArray logits, DeviceArray target)
    {
        Require(logits);
        Require(target);
        RequireSameShape(logits, target);
        return Mean(Zip<Elementwise.LogitLoss>(logits, target));
    }

    private static DeviceArray Error(DeviceArray x, DeviceArray target)
    {
        Require(x);
        Require(target);
        RequireSameShape(x, target);
        return Subtract(x, target);
    }

    /// <remarks>A loss does not broadcast: [n] against [n, 1] is usually a mistake.</remarks>
    private static void RequireSameShape(DeviceArray x, DeviceArray target)
    {
        if (x.Shape != target.Shape)
        {
            throw new ArgumentException($"Expected a target of shape {x.Shape}; found {target.Shape}.", nameof(target));
        }
    }
}
