using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>The state-space dual of Mamba-2 over every sequence.</summary>
internal readonly record struct SsdOperation : IOperation<SsdOperation>
{
    public required SsdInputs Inputs { get; init; }

    public Segments? Segments { get; init; }

    /// <summary>The row of the initial and final states for each sequence; null if sequence i has row i.</summary>
    public StateSlots? Slots { get; init; }

    /// <summary>y, in the shape of x.</summary>
    public DeviceArray Y { get; init; }

    /// <summary>h after the last token, <see cref="SsdSizes.StateShape"/>; may be the initial state itself.</summary>
    public DeviceArray FinalState { get; init; }

    /// <summary>
    /// The states that the backward pass starts from; the device determines the shape. Absent if none follows.
    /// </summary>
    public DeviceArray Checkpoints { get; init; }

    public SsdSizes Sizes { get; private init; }

    public SsdOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap =>
        this with { Inputs = Inputs.Map(ref map), Y = map.Output(Y), FinalState = map.Output(FinalState) };

    public SsdOperation Prepare(Device device, bool keep)
    {
        SsdSizes sizes = new(Inputs, Segments, Slots);
        SsdOperation prepared = this with
        {
            Sizes = sizes,
            Y = device.AllocateOutput(Inputs.X.Shape, Inputs.X.Precision),
            FinalState = FinalState.Exists ? FinalState : device.AllocateOutput(sizes.StateShape),
        };
        return keep
            ? prepared with { Checkpoints = device.AllocateOutput(device.SsdCheckpointShape(prepared)) }
            : prepared;
    }

    public void Forward(Device device) => device.Ssd(this);

    public void Backward(Device device, in SsdOperation gradients) => device.SsdBackward(this, gradients);
}
