using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>
/// Attention: a token sees the keys before its sequence and those of its sequence up to itself, or the last of these;
/// or, where it is not causal, all keys of its sequence.
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
        Sequences sequences = new(
            Inputs.Queries.Shape, Segments, Inputs.Slots, Inputs.PastKeys.Exists ? Inputs.PastKeys.Shape[0] : 0);
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

    /// <summary>Keys before a sequence's first token.</summary>
    public int Past(int sequence) => Inputs.PastKeys.Exists ? Inputs.PastOf(Sequences.Slot(sequence)) : 0;

    /// <summary>The row of a sequence's first key, counted through the whole batch.</summary>
    public int KeyStart(int sequence) =>
        Sequences.Segments is null ? sequence * Inputs.Keys.Shape[1] : Sequences.Start(sequence);

    /// <summary>Keys of a sequence, without those before it and without padding.</summary>
    public int KeyLength(int sequence) =>
        !Inputs.KeyLengths.IsEmpty ? Inputs.KeyLengths.Span[sequence]
        : Sequences.Segments is null ? Inputs.Keys.Shape[1]
        : Sequences.Length(sequence);

    /// <summary>The most keys of any sequence, without those before it.</summary>
    public int LongestKeyLength => Sequences.Segments is null ? Inputs.Keys.Shape[1] : Sequences.LongestLength;

    /// <summary>The most keys before any sequence.</summary>
    public int LongestPast
    {
        get
        {
            int longest = 0;
            for (int i = 0; i < Sequences.Count; i++)
            {
                longest = Math.Max(longest, Past(i));
            }

            return longest;
        }
    }
}
