namespace Mamba.Devices;

public abstract partial class Device
{
    /// <summary>Computes the softmax of every row; y may be x.</summary>
    internal abstract void Softmax(DeviceArray x, DeviceArray y);

    /// <summary>Computes <c>gx += y·(gy - Σ gy·y)</c>, row by row; y is the softmax.</summary>
    internal abstract void SoftmaxBackward(DeviceArray y, DeviceArray gy, DeviceArray gx);

    /// <summary>
    /// Computes <c>loss[0]</c>, the mean of <c>log Σ_j e^logits[i, j] - logits[i, targets[i]]</c> over the rows i whose
    /// target is not <paramref name="ignoreIndex"/>; 0 where there is none.
    /// </summary>
    /// <param name="logits">Rows of one logit per class.</param>
    /// <param name="targets">One class per row.</param>
    /// <param name="ignoreIndex">The target of rows that do not count.</param>
    /// <param name="statistics">
    /// Written, shape [rows, 2], for the backward pass: the row's maximum m and Σ_j e^(logits[i, j] - m).
    /// </param>
    /// <param name="loss">Written, one element.</param>
    internal abstract void CrossEntropy(
        DeviceArray logits, IndexArray targets, int ignoreIndex, DeviceArray statistics, DeviceArray loss);

    /// <summary>Adds <c>gLoss[0]·(softmax - one-hot target)/(counted rows)</c> to the gradient of the logits.</summary>
    internal abstract void CrossEntropyBackward(
        DeviceArray logits,
        IndexArray targets,
        int ignoreIndex,
        DeviceArray statistics,
        DeviceArray gLoss,
        DeviceArray gLogits);

    /// <summary>Throws unless there are a target and two statistics for every row.</summary>
    private protected static void RequireTargets(DeviceArray logits, IndexArray targets, DeviceArray statistics)
    {
        nint rows = logits.Shape.Rows;
        if (targets.Length != rows)
        {
            throw new ArgumentException($"Expected {rows} targets for logits {logits.Shape}; found {targets.Length}.");
        }

        if (statistics.Shape.Rows != rows || statistics.Shape.Width != 2)
        {
            throw new ArgumentException($"Expected statistics [{rows}, 2]; found {statistics.Shape}.");
        }
    }

    /// <summary>Counts the rows that are not ignored, and refuses targets that are no class.</summary>
    private protected static int CountTargets(ReadOnlySpan<int> targets, int ignoreIndex, int classes)
    {
        int counted = 0;
        for (int row = 0; row < targets.Length; row++)
        {
            if (targets[row] != ignoreIndex)
            {
                RequireTarget(targets[row], row, classes);
                counted++;
            }
        }

        return counted;
    }

    /// <summary>Throws unless a target that counts is a class.</summary>
    private protected static void RequireTarget(int target, nint row, int classes)
    {
        if (target < 0 || target >= classes)
        {
            throw new ArgumentOutOfRangeException(
                nameof(target), target, $"Target {target} of row {row} lies outside the {classes} classes.");
        }
    }
}
