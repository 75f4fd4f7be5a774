using Mamba.Devices;
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
}
