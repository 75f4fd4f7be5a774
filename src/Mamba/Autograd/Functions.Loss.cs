using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>The target of ignored rows, unless another is given.</summary>
    public const int IgnoredTarget = -100;

    /// <summary>Computes <c>e^x[j] / Σ_k e^x[k]</c> over the last axis.</summary>
    /// <param name="x">The logits.</param>
    /// <returns>An array of the same shape; every row sums to 1.</returns>
    public static DeviceArray Softmax(DeviceArray x) => Run(Require(x), new SoftmaxOperation { X = x }).Y;

    /// <summary>Computes the mean of <c>-log softmax(logits)[target]</c> over the rows that are not ignored.</summary>
    /// <param name="logits">One logit per class in the last axis, such as [batch, length, vocabulary].</param>
    /// <param name="targets">The class of every row, in row order.</param>
    /// <param name="ignoreIndex">The target of ignored rows, such as padding or a prompt.</param>
    /// <returns>An array of one element. It is 0 if all rows are ignored, and so are the gradients.</returns>
    /// <exception cref="ArgumentException">The number of targets differs from the number of rows.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A target is neither a class nor ignored.</exception>
    /// <remarks>
    /// The forward pass keeps two numbers per row; the backward pass recomputes the probabilities. If all rows are
    /// ignored PyTorch gives NaN, which a batch of padding would spread to every parameter.
    /// </remarks>
    public static DeviceArray CrossEntropy(DeviceArray logits, IndexArray targets, int ignoreIndex = IgnoredTarget) =>
        Run(
            Require(logits),
            new CrossEntropyOperation { Logits = logits, Targets = targets, IgnoreIndex = ignoreIndex }).Loss;

    /// <summary>
    /// Computes the <see cref="CrossEntropy"/> of the logits <c>x·Wᵀ</c> without storing all logits or their gradient.
    /// With 50,000 classes these take more memory than all else in training.
    /// </summary>
    /// <param name="x">The input of the head, such as [batch, length, width].</param>
    /// <param name="weight">W, [classes, width].</param>
    /// <param name="targets">The class of every row of x, in row order.</param>
    /// <param name="ignoreIndex">The target of ignored rows, such as padding or a prompt.</param>
    /// <returns>An array of one element. It is 0 if all rows are ignored, and so are the gradients.</returns>
    /// <exception cref="ArgumentException">
    /// W has another width than x, or the number of targets differs from the number of rows.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">A target is neither a class nor ignored.</exception>
    /// <remarks>
    /// 2,048 classes are computed at a time. Above 2^24 logits the backward pass recomputes them. With up to 2,048
    /// classes the loss equals <see cref="CrossEntropy"/> bit for bit.
    /// </remarks>
    /// <example>
    /// <code>
    /// DeviceArray loss = Functions.LinearCrossEntropy(hidden, head.Weight.Value, device.Indices(nextTokens));
    /// </code>
    /// </example>
    public static DeviceArray LinearCrossEntropy(
        DeviceArray x, DeviceArray weight, IndexArray targets, int ignoreIndex = IgnoredTarget)
    {
        Device device = Require(x);
        Require(weight);
        return Run(
            device,
            new LinearCrossEntropyOperation { X = x, Weight = weight, Targets = targets, IgnoreIndex = ignoreIndex })
            .Loss;
    }
}
