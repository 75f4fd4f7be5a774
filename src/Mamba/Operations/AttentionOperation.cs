using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>
/// Attention. If causal, a token sees the past keys and those of its sequence up to itself, optionally within a window;
/// otherwise all keys of its sequence.
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

    /// <summary>Number of keys before a sequence's first token.</summary>
    public int Past(int sequence) => Inputs.PastKeys.Exists ? Inputs.PastOf(Sequences.Slot(sequence)) : 0;

    /// <summary>The mask's part that a query head has; 0 if the heads share one.</summary>
    public int MaskOf(int head) => Inputs.Mask.Shape[0] == 1 ? 0 : head;

    /// <summary>The row of a sequence's first key, in the whole batch.</summary>
    public int KeyStart(int sequence) =>
        Sequences.Segments is null ? sequence * Inputs.Keys.Shape[1] : Sequences.Start(sequence);

    /// <summary>Number of keys of a sequence, without past keys and padding.</summary>
    public int KeyLength(int sequence) =>
        !Inputs.KeyLengths.IsEmpty ? Inputs.KeyLengths.Span[sequence]
        : Sequences.Segments is null ? Inputs.Keys.Shape[1]
        : Sequences.Length(sequence);

    /// <summary>Largest number of keys of a sequence, without past keys.</summary>
    public int LongestKeyLength => Sequences.Segments is null ? Inputs.Keys.Shape[1] : Sequences.LongestLength;

    /// <summary>Largest number of past keys of a sequence.</summary>
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
