using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>Logits of a range of classes, with the statistics for cross-entropy.</summary>
internal readonly record struct LogitSlice
{
    /// <summary>Rows of one logit per class of the slice.</summary>
    public required DeviceArray Logits { get; init; }

    /// <summary>The class of the first column.</summary>
    public int FirstClass { get; init; }

    /// <summary>One class per row; it may lie outside the slice.</summary>
    public required IndexArray Targets { get; init; }

    /// <summary>The target of ignored rows.</summary>
    public required int IgnoreIndex { get; init; }

    /// <summary>
    /// Shape [rows, 3]: the largest logit m of a row, <c>Σ_j e^(logits[j] - m)</c>, and the logit of the target, over
    /// the classes of this slice and earlier ones. Ignored rows are not set.
    /// </summary>
    public required DeviceArray Statistics { get; init; }

    /// <summary>Number of columns of <see cref="Statistics"/>.</summary>
    public const int StatisticsWidth = 3;

    /// <summary>Counts the targets that are not ignored, and checks all.</summary>
    /// <param name="device">The device of the targets.</param>
    /// <param name="targets">One class per row.</param>
    /// <param name="ignoreIndex">The target of ignored rows.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="classes">Number of all classes.</param>
    /// <exception cref="ArgumentException">The number of targets differs from the number of rows.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A target is neither a class nor ignored.</exception>
    public static int CountTargets(Device device, IndexArray targets, int ignoreIndex, nint rows, int classes)
    {
        if (targets.Length != rows)
        {
            throw new ArgumentException($"Expected {rows} targets, one a row; found {targets.Length}.");
        }

        int counted = 0;
        ReadOnlySpan<int> values = device.ValuesOf(targets);
        for (int row = 0; row < values.Length; row++)
        {
            int target = values[row];
            if (target == ignoreIndex)
            {
                continue;
            }

            if (target < 0 || target >= classes)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(targets), target, $"Target {target} of row {row} lies outside the {classes} classes.");
            }

            counted++;
        }

        return counted;
    }
}
