using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>The target of rows that do not count, unless another is named.</summary>
    public const int IgnoredTarget = -100;

    /// <summary>Computes <c>e^x[j] / Σ_k e^x[k]</c> over the last axis.</summary>
    /// <param name="x">The logits.</param>
    /// <returns>An array of the same shape, whose rows add up to 1.</returns>
    public static DeviceArray Softmax(DeviceArray x) => Run(Require(x), new SoftmaxOperation { X = x }).Y;

    /// <summary>Computes the mean of <c>-log softmax(logits)[target]</c> over the rows that count.</summary>
    /// <param name="logits">One logit per class in the last axis, such as [batch, length, vocabulary].</param>
    /// <param name="targets">The class of every row, in the rows' order.</param>
    /// <param name="ignoreIndex">The target of rows that do not count, such as padding or a prompt.</param>
    /// <returns>An array of one element. Where no row counts it is 0, and so are the gradients.</returns>
    /// <exception cref="ArgumentException">The number of targets is not that of the rows.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A target is no class and not ignored.</exception>
    /// <remarks>
    /// Between the passes two numbers per row are kept, not the probabilities: the backward pass makes them anew. Where
    /// no row counts PyTorch gives NaN, which a batch of nothing but padding would spread to every parameter.
    /// </remarks>
    public static DeviceArray CrossEntropy(DeviceArray logits, IndexArray targets, int ignoreIndex = IgnoredTarget) =>
        Run(
            Require(logits),
            new CrossEntropyOperation { Logits = logits, Targets = targets, IgnoreIndex = ignoreIndex }).Loss;

    /// <summary>
    /// Computes the cross-entropy of the logits <c>x·Wᵀ</c>, as <see cref="CrossEntropy"/> of <see cref="Linear"/>
    /// does, without ever holding the logits of all classes or their gradient: with 50,000 classes these take more
    /// memory than all else in training.
    /// </summary>
    /// <param name="x">The input of the head, such as [batch, length, width].</param>
    /// <param name="weight">W, [classes, width].</param>
    /// <param name="targets">The class of every row of x, in the rows' order.</param>
    /// <param name="ignoreIndex">The target of rows that do not count, such as padding or a prompt.</param>
    /// <returns>An array of one element. If no row counts it is 0, and so are the gradients.</returns>
    /// <exception cref="ArgumentException">W has another width than x, or there is not one target per row.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A target is no class and not ignored.</exception>
    /// <remarks>
    /// 2,048 classes are computed at a time. Beyond 2^24 logits the backward pass computes them a second time. With up
    /// to 2,048 classes the loss has the bits of <see cref="CrossEntropy"/>.
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
