using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>Rotates pairs of entries of every head by angles proportional to the token's position.</summary>
internal readonly record struct RotaryOperation : IOperation<RotaryOperation>
{
    /// <summary>x, [batch, length, heads·headDim].</summary>
    public required DeviceArray X { get; init; }

    public required RotaryOptions Options { get; init; }

    public Segments? Segments { get; init; }

    /// <summary>Added to the positions of each sequence, or of each row of a pool; empty for no offsets.</summary>
    public ReadOnlyMemory<int> Offsets { get; init; }

    /// <summary>The row of the pool for each sequence; null if sequence i has row i.</summary>
    public StateSlots? Slots { get; init; }

    /// <summary>Whether to rotate by the negative angle.</summary>
    public bool Inverse { get; init; }

    /// <summary>y, in the shape of x.</summary>
    public DeviceArray Y { get; init; }

    public Sequences Sequences { get; private init; }

    public RotaryOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { X = map.Operand(X), Y = map.Output(Y) };

    public RotaryOperation Prepare(Device device, bool keep)
    {
        Options.Validate(X.Shape);
        Sequences sequences = new(X.Shape, Segments, Slots, Offsets.Length);
        if (!Offsets.IsEmpty)
        {
            SequenceLengths.Require(Offsets.Span, sequences.StateCount, int.MaxValue, nameof(Offsets));
        }

        return this with
        {
            Sequences = sequences,
            Y = device.AllocateOutput(X.Shape, X.Precision),
        };
    }

    /// <summary>The offset of a sequence's positions.</summary>
    public int OffsetOf(int sequence) => Offsets.IsEmpty ? 0 : Offsets.Span[Sequences.Slot(sequence)];

    public void Forward(Device device) => device.Rotary(this);

    public void Backward(Device device, in RotaryOperation gradients)
    {
        using DeviceScope scope = device.Scope();
        DeviceArray turned = device.Allocate(X.Shape);
        device.Rotary(this with { X = gradients.Y, Inverse = !Inverse, Y = turned });
        device.AddScaled(turned, 1f, gradients.X);
    }
}
