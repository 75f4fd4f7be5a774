using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>
/// The cross-entropy of the logits <c>x·Wᵀ</c>, computed for a slice of the classes at a time, so that the logits of a
/// large vocabulary and their gradient are never stored as a whole.
/// </summary>
/// <remarks>
/// The softmax over slices is that of Milakov and Gimelshein, <see href="https://arxiv.org/abs/1805.02867"/>, algorithm
/// 3. The backward pass recomputes the logits of a slice if there are many.
/// </remarks>
internal readonly record struct LinearCrossEntropyOperation : IOperation<LinearCrossEntropyOperation>
{
    /// <summary>
    /// Classes of a slice. It is a constant because the order of sums depends on it: a sequence gives the same bits
    /// alone and in a batch.
    /// </summary>
    private const int SliceClasses = 2048;

    /// <summary>Largest number of logits that are kept for the backward pass: 64 MiB.</summary>
    private const long MostKept = 1 << 24;

    /// <summary>x, [.., width].</summary>
    public required DeviceArray X { get; init; }

    /// <summary>W, [classes, width].</summary>
    public required DeviceArray Weight { get; init; }

    /// <summary>One class per row of x.</summary>
    public required IndexArray Targets { get; init; }

    /// <summary>The target of ignored rows.</summary>
    public required int IgnoreIndex { get; init; }

    /// <summary>Whether the backward pass recomputes the logits; null to decide by their number.</summary>
    public bool? Recomputes { get; init; }

    /// <summary>The mean over the rows that are not ignored, one element.</summary>
    public DeviceArray Loss { get; init; }

    /// <summary>For the backward pass, see <see cref="LogitSlice.Statistics"/>.</summary>
    public DeviceArray Statistics { get; private init; }

    /// <summary>All logits, if they are kept.</summary>
    private DeviceArray Logits { get; init; }

    private int Counted { get; init; }

    private int Classes => Weight.Shape[0];

    public LinearCrossEntropyOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap =>
        this with { X = map.Operand(X), Weight = map.Operand(Weight), Loss = map.Output(Loss) };

    public LinearCrossEntropyOperation Prepare(Device device, bool keep)
    {
        DeviceArray.Require("the weight", Weight);
        DeviceArray.Require("the weight", Weight, [Classes, X.Shape.Width]);
        nint rows = X.Shape.Rows;
        bool keepsLogits = keep && !(Recomputes ?? (long)rows * Classes > MostKept);
        return this with
        {
            Counted = LogitSlice.CountTargets(device, Targets, IgnoreIndex, rows, Classes),
            Loss = device.AllocateOutput([1]),
            Statistics = device.AllocateOutput([checked((int)rows), LogitSlice.StatisticsWidth]),
            Logits = keepsLogits ? device.AllocateActivation(X.Shape.WithWidth(Classes)) : default,
        };
    }

    public void Forward(Device device)
    {
        for (int first = 0; first < Classes; first += SliceClasses)
        {
            using DeviceScope scope = device.Scope();
            device.LogitStatistics(SliceOf(first, ComputedLogits(device, first)));
        }

        device.MeanLoss(Targets, IgnoreIndex, Counted, Statistics, Loss);
    }

    public void Backward(Device device, in LinearCrossEntropyOperation gradients)
    {
        for (int first = 0; first < Classes; first += SliceClasses)
        {
            using DeviceScope scope = device.Scope();
            DeviceArray logits = Logits.Exists ? KeptLogits(first) : ComputedLogits(device, first);
            DeviceArray g = device.Zeros(logits.Shape);
            device.CrossEntropyBackward(SliceOf(first, logits), Counted, gradients.Loss, g);
            if (gradients.X.Exists)
            {
                device.MatMul(g, false, RowsOf(Weight, first), false, gradients.X, accumulate: true); // gx += g·W
            }

            if (gradients.Weight.Exists)
            {
                device.MatMul(g, true, X, false, RowsOf(gradients.Weight, first), accumulate: true); // gW += gᵀ·x
            }
        }
    }

    private LogitSlice SliceOf(int first, DeviceArray logits) => new()
    {
        Logits = logits,
        FirstClass = first,
        Targets = Targets,
        IgnoreIndex = IgnoreIndex,
        Statistics = Statistics,
    };

    private int WidthOf(int first) => Math.Min(SliceClasses, Classes - first);

    private DeviceArray RowsOf(DeviceArray weight, int first) => weight.RowRange(first, WidthOf(first));

    private DeviceArray KeptLogits(int first) => Logits.Slice(first, WidthOf(first));

    private DeviceArray ComputedLogits(Device device, int first)
    {
        DeviceArray logits =
            Logits.Exists ? KeptLogits(first) : device.AllocateActivation(X.Shape.WithWidth(WidthOf(first)));
        device.Linear(new() { X = X, Weight = RowsOf(Weight, first), Y = logits });
        return logits;
    }
}
