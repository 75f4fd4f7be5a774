using Mamba.Devices;

namespace Mamba.Operations;

/// <summary>
/// The mean of <c>log Σ_j e^logits[i, j] - logits[i, targets[i]]</c> over the rows i whose target is not
/// <see cref="IgnoreIndex"/>; 0 if there is none.
/// </summary>
internal readonly record struct CrossEntropyOperation : IOperation<CrossEntropyOperation>
{
    /// <summary>Rows of one logit per class.</summary>
    public required DeviceArray Logits { get; init; }

    /// <summary>One class per row.</summary>
    public required IndexArray Targets { get; init; }

    /// <summary>The target of rows that do not count.</summary>
    public required int IgnoreIndex { get; init; }

    /// <summary>The mean, one element.</summary>
    public DeviceArray Loss { get; init; }

    /// <summary>
    /// For the backward pass, shape [rows, 2]: the row's maximum m and <c>Σ_j e^(logits[i, j] - m)</c>.
    /// </summary>
    public DeviceArray Statistics { get; init; }

    /// <summary>Number of classes.</summary>
    public int Classes => Logits.Shape.Width;

    public CrossEntropyOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { Logits = map.Operand(Logits), Loss = map.Output(Loss) };

    public CrossEntropyOperation Prepare(Device device, bool keep)
    {
        nint rows = Logits.Shape.Rows;
        if (Targets.Length != rows)
        {
            throw new ArgumentException($"Expected {rows} targets for logits {Logits.Shape}; found {Targets.Length}.");
        }

        return this with
        {
            Loss = device.AllocateOutput([1]),
            Statistics = device.AllocateOutput([checked((int)rows), 2]),
        };
    }

    public void Forward(Device device) => device.CrossEntropy(this);

    public void Backward(Device device, in CrossEntropyOperation gradients) =>
        device.CrossEntropyBackward(this, gradients);

    /// <summary>Counts the rows that are not ignored, and refuses targets that are no class.</summary>
    /// <param name="targets">The targets on the host.</param>
    /// <exception cref="ArgumentOutOfRangeException">A target that counts is no class.</exception>
    public int CountTargets(ReadOnlySpan<int> targets)
    {
        int counted = 0;
        for (int row = 0; row < targets.Length; row++)
        {
            int target = targets[row];
            if (target == IgnoreIndex)
            {
                continue;
            }

            if (target < 0 || target >= Classes)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(targets), target, $"Target {target} of row {row} lies outside the {Classes} classes.");
            }

            counted++;
        }

        return counted;
    }
}
