using Mamba.Devices;
using Mamba.Memory;
using Mamba.Orders;

namespace Mamba.Operations;

/// <summary>The selective scan of Mamba-1 over every sequence.</summary>
internal readonly record struct ScanOperation : IOperation<ScanOperation>
{
    public required ScanInputs Inputs { get; init; }

    public Segments? Segments { get; init; }

    /// <summary>The row of the initial and final states for each sequence; null if sequence i has row i.</summary>
    public StateSlots? Slots { get; init; }

    /// <summary>
    /// The orders in which tokens are visited, all permutations; the outputs are summed. Null for one scan in the order
    /// of x.
    /// </summary>
    public ScanOrder[]? Orders { get; init; }

    /// <summary>y, in the shape of x.</summary>
    public DeviceArray Y { get; init; }

    /// <summary>h after the last token, <see cref="ScanSizes.StateShape"/>; may be the initial state itself.</summary>
    public DeviceArray FinalState { get; init; }

    /// <summary>
    /// The states that the backward pass starts from, <see cref="ScanSizes.CheckpointShape"/>; absent if none follows.
    /// </summary>
    public DeviceArray Checkpoints { get; init; }

    public ScanSizes Sizes { get; private init; }

    public ScanOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap =>
        this with { Inputs = Inputs.Map(ref map), Y = map.Output(Y), FinalState = map.Output(FinalState) };

    public ScanOperation Prepare(Device device, bool keep)
    {
        ScanSizes sizes = new(Inputs, Segments, Slots, Orders?.Length ?? 1);
        return this with
        {
            Sizes = sizes,
            Y = device.AllocateOutput(Inputs.X.Shape, Inputs.X.Precision),
            FinalState = FinalState.Exists ? FinalState : device.AllocateOutput(sizes.StateShape),
            Checkpoints = keep ? device.AllocateOutput(sizes.CheckpointShape(device.ScanChunkLength)) : default,
        };
    }

    public void Forward(Device device) => device.SelectiveScan(this);

    public void Backward(Device device, in ScanOperation gradients) => device.SelectiveScanBackward(this, gradients);
}
