using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>
/// The mean of <c>log Σ_j e^logits[i, j] - logits[i, targets[i]]</c> over the rows i whose target is not
/// <see cref="IgnoreIndex"/>; 0 if there are none.
/// </summary>
internal readonly record struct CrossEntropyOperation : IOperation<CrossEntropyOperation>
{
    /// <summary>Rows of one logit per class.</summary>
    public required DeviceArray Logits { get; init; }

    /// <summary>One class per row.</summary>
    public required IndexArray Targets { get; init; }

    /// <summary>The target of ignored rows.</summary>
    public required int IgnoreIndex { get; init; }

    /// <summary>The mean, one element.</summary>
    public DeviceArray Loss { get; init; }

    /// <summary>For the backward pass, see <see cref="LogitSlice.Statistics"/>.</summary>
    public DeviceArray Statistics { get; private init; }

    /// <summary>Number of rows that are not ignored.</summary>
    public int Counted { get; private init; }

    private LogitSlice Whole => new()
    {
        Logits = Logits,
        Targets = Targets,
        IgnoreIndex = IgnoreIndex,
        Statistics = Statistics,
    };

    public CrossEntropyOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { Logits = map.Operand(Logits), Loss = map.Output(Loss) };

    public CrossEntropyOperation Prepare(Device device, bool keep)
    {
        nint rows = Logits.Shape.Rows;
        return this with
        {
            Counted = LogitSlice.CountTargets(device, Targets, IgnoreIndex, rows, Logits.Shape.Width),
            Loss = device.AllocateOutput([1]),
            Statistics = device.AllocateOutput([checked((int)rows), LogitSlice.StatisticsWidth]),
        };
    }

    public void Forward(Device device)
    {
        device.LogitStatistics(Whole);
        device.MeanLoss(Targets, IgnoreIndex, Counted, Statistics, Loss);
    }

    public void Backward(Device device, in CrossEntropyOperation gradients) =>
        device.CrossEntropyBackward(Whole, Counted, gradients.Loss, gradients.Logits);
}
