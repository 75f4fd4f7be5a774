using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>Appends the tokens of each sequence to a cache, in place.</summary>
internal readonly record struct AppendOperation : IOperation<AppendOperation>
{
    /// <summary>The tokens, [batch, length, width].</summary>
    public required DeviceArray X { get; init; }

    /// <summary>The cache, [sequences, capacity, width]; contiguous.</summary>
    public required DeviceArray Cache { get; init; }

    /// <summary>Number of tokens in each row of the cache.</summary>
    public required ReadOnlyMemory<int> Lengths { get; init; }

    public Segments? Segments { get; init; }

    /// <summary>The row of the cache for each sequence; null if sequence i has row i.</summary>
    public StateSlots? Slots { get; init; }

    public Sequences Sequences { get; private init; }

    public AppendOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { X = map.Operand(X), Cache = map.Operand(Cache) };

    public AppendOperation Prepare(Device device, bool keep)
    {
        Sequences sequences = new(X.Shape, Segments, Slots, Cache);
        DeviceArray.Require("the cache", Cache, [sequences.StateCount, Cache.Shape[1], X.Shape.Width]);
        SequenceLengths.Require(Lengths.Span, sequences.StateCount, Cache.Shape[1], nameof(Lengths));
        for (int i = 0; i < sequences.Count; i++)
        {
            (int length, int more) = (Lengths.Span[sequences.Slot(i)], sequences.Length(i));
            if (more > Cache.Shape[1] - length)
            {
                throw new ArgumentException(
                    $"Sequence {i} has {more} tokens; its cache has room for {Cache.Shape[1] - length}.");
            }
        }

        return this with { Sequences = sequences };
    }

    public void Forward(Device device) => device.Append(this);

    public void Backward(Device device, in AppendOperation gradients) =>
        throw new InvalidOperationException("What is written in place has no gradient.");

    /// <summary>Number of cached tokens of a sequence.</summary>
    public int LengthOf(int sequence) => Lengths.Span[Sequences.Slot(sequence)];

    /// <summary>The row of the whole cache for a sequence's first new token.</summary>
    public nint Start(int sequence) => ((nint)Sequences.Slot(sequence) * Cache.Shape[1]) + LengthOf(sequence);
}
