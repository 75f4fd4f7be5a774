using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>
    /// Computes the cross-entropy with class weights, row weights and label smoothing:
    /// <c>Σ_n r[n]·((1 - ε)·w[t]·l[n, t] + ε/K·Σ_c w[c]·l[n, c]) / Σ_n r[n]·w[t]</c>, <c>l = -log softmax(logits)</c>,
    /// t the target of row n, over the rows that are not ignored.
    /// </summary>
    /// <param name="logits">One logit per class in the last axis, such as [batch, length, K].</param>
    /// <param name="targets">The class of every row, in row order.</param>
    /// <param name="classWeights">w, one for each class, 0 or more; empty for ones.</param>
    /// <param name="rowWeights">r, one for each row, 0 or more, such as advantages of actions; empty for ones.</param>
    /// <param name="smoothing">ε, from 0 to 1.</param>
    /// <param name="ignoreIndex">The target of ignored rows, such as padding or a prompt.</param>
    /// <returns>
    /// An array of one element. It is 0 if all weights of the rows that are not ignored are 0, and so are the
    /// gradients.
    /// </returns>
    /// <exception cref="ArgumentException">The number of targets, row weights or class weights is wrong.</exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A target is neither a class nor ignored, a weight is negative or not finite, or ε is not from 0 to 1.
    /// </exception>
    /// <remarks>
    /// Without row weights it equals PyTorch's <c>cross_entropy</c> with <c>weight</c> and <c>label_smoothing</c>.
    /// Smoothing: Szegedy et al., <see href="https://arxiv.org/abs/1512.00567"/>, section 7. It stores an array in the
    /// shape of the logits; <see cref="CrossEntropy"/> does not.
    /// </remarks>
    /// <example>
    /// <code>
    /// DeviceArray loss = Functions.WeightedCrossEntropy(logits, targets, smoothing: 0.1);
    /// </code>
    /// </example>
    public static DeviceArray WeightedCrossEntropy(
        DeviceArray logits,
        IndexArray targets,
        ReadOnlySpan<float> classWeights = default,
        ReadOnlySpan<float> rowWeights = default,
        double smoothing = 0,
        int ignoreIndex = IgnoredTarget)
    {
        Device device = Require(logits);
        int classes = logits.Shape.Width, rows = checked((int)logits.Shape.Rows);
        int counted = LogitSlice.CountTargets(device, targets, ignoreIndex, rows, classes);
        RequireWeights(classWeights, classes, "class", nameof(classWeights));
        RequireWeights(rowWeights, rows, "row", nameof(rowWeights));
        Setting.Require(smoothing is >= 0 and <= 1, nameof(smoothing), "from 0 to 1", smoothing);
        ReadOnlySpan<int> values = device.ValuesOf(targets);
        int[] kept = new int[counted], places = new int[counted];
        float[] own = new float[counted], spread = new float[counted];
        double total = 0;
        for (int row = 0, i = 0; row < rows; row++)
        {
            if (values[row] != ignoreIndex)
            {
                double weight = rowWeights.IsEmpty ? 1 : rowWeights[row];
                kept[i] = row;
                places[i] = checked((i * classes) + values[row]);
                own[i] = (float)(weight * (classWeights.IsEmpty ? 1 : classWeights[values[row]]));
                spread[i] = (float)weight;
                total += own[i++];
            }
        }

        double scale = total == 0 ? 0 : 1 / total;
        int parts = counted > 0 ? 1 : 0;
        DeviceArray all = Contiguous(logits).Reshape([rows, classes]);
        DeviceArray counting = counted == rows ? all : GatherRows(all, device.Indices(kept), parts, [counted, classes]);
        DeviceArray logs = counted == 0 ? counting : counting - LogSumExp(counting, 1, keep: true);
        DeviceArray numbers = logs.Reshape([checked(counted * classes), 1]);
        DeviceArray ofTargets = GatherRows(numbers, device.Indices(places), parts, [counted, 1]);
        DeviceArray loss = ScaledSum(ofTargets * device.Array([counted, 1], own), -(1 - smoothing) * scale);
        if (smoothing == 0)
        {
            return loss;
        }

        DeviceArray weighted = classWeights.IsEmpty ? logs : logs * device.Array([classes], classWeights);
        DeviceArray ofAll = Sum(weighted, 1, keep: true) * device.Array([counted, 1], spread);
        return loss + ScaledSum(ofAll, -smoothing * scale / classes);
    }

    /// <summary>
    /// Computes the soft Dice loss: 1 minus the mean over samples and classes of
    /// <c>(2·Σ_i x[i]·t[i] + s)/(Σ_i x[i] + Σ_i t[i] + s)</c>.
    /// </summary>
    /// <param name="x">The probabilities, [batch, .., classes], not logits.</param>
    /// <param name="target">t, 0 to 1, of the same shape.</param>
    /// <param name="smoothing">s, above 0. An empty region that is predicted to be empty counts as 1.</param>
    /// <returns>An array of one element, from 0 to 1.</returns>
    /// <exception cref="ArgumentException">The shapes differ, or have one axis.</exception>
    /// <exception cref="ArgumentOutOfRangeException">s is not a finite number above 0.</exception>
    /// <remarks>
    /// Milletari et al., <see href="https://arxiv.org/abs/1606.04797"/>, section 3, with sums in place of sums of
    /// squares in the denominator.
    /// </remarks>
    /// <example>
    /// <code>
    /// DeviceArray loss = Functions.Dice(Functions.Softmax(logits), oneHot);
    /// </code>
    /// </example>
    public static DeviceArray Dice(DeviceArray x, DeviceArray target, float smoothing = 1)
    {
        Device device = Require(x);
        Require(target);
        RequireSameShape(x, target);
        Setting.RequirePositiveFloat(smoothing, nameof(smoothing));
        if (x.Shape.Rank < 2)
        {
            throw new ArgumentException($"Expected [batch, .., classes]; found {x.Shape}.", nameof(x));
        }

        int places = checked((int)AxisView.Product(x.Shape, 1, x.Shape.Rank - 1));
        Shape shape = [x.Shape[0], places, x.Shape.Width];
        (DeviceArray p, DeviceArray t) = (Contiguous(x).Reshape(shape), Contiguous(target).Reshape(shape));
        DeviceArray s = device.Array([1], [smoothing]);
        DeviceArray overlap = Scale(Sum(p * t, 1), 2) + s, sizes = Sum(p, 1) + Sum(t, 1) + s;
        return device.Array([1], [1]) - Mean(overlap / sizes);
    }

    private static void RequireWeights(ReadOnlySpan<float> weights, int count, string what, string name)
    {
        if (!weights.IsEmpty && weights.Length != count)
        {
            throw new ArgumentException($"Expected {count} weights, one a {what}; found {weights.Length}.", name);
        }

        foreach (float weight in weights)
        {
            Setting.Require(weight >= 0 && float.IsFinite(weight), name, "finite and 0 or more", weight);
        }
    }
}
