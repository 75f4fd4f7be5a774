using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>
/// Causal attention: a token sees the keys before its sequence, and those of its sequence up to itself.
/// </summary>
internal readonly record struct AttentionOperation : IOperation<AttentionOperation>
{
    public required AttentionInputs Inputs { get; init; }

    public Segments? Segments { get; init; }

    /// <summary>y, in the shape of the queries.</summary>
    public DeviceArray Y { get; init; }

    public Sequences Sequences { get; private init; }

    public AttentionOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { Inputs = Inputs.Map(ref map), Y = map.Output(Y) };

    public AttentionOperation Prepare(Device device, bool keep)
    {
        Sequences sequences = new(Inputs.Queries.Shape, Segments);
        Inputs.Validate(sequences);
        return this with
        {
            Sequences = sequences,
            Y = device.AllocateOutput(Inputs.Queries.Shape, Inputs.Queries.Precision),
        };
    }

    public void Forward(Device device) => device.Attention(this);

    public void Backward(Device device, in AttentionOperation gradients) =>
        device.AttentionBackward(this, gradients);
}
