using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>What attention is computed from.</summary>
public readonly record struct AttentionInputs
{
    /// <summary>Makes inputs of causal attention without a window.</summary>
    public AttentionInputs()
    {
    }

    /// <summary>Queries, shape [batch, length, heads·headDim].</summary>
    public required DeviceArray Queries { get; init; }

    /// <summary>
    /// Keys, shape [batch, length, keyValueHeads·headDim]; of another length than the queries if attention is not
    /// <see cref="Causal"/>, as those of another text or an image are.
    /// </summary>
    public required DeviceArray Keys { get; init; }

    /// <summary>Values, of the shape of <see cref="Keys"/>.</summary>
    public required DeviceArray Values { get; init; }

    /// <summary>
    /// Whether a token sees its past and itself; otherwise it sees all keys of its sequence, those to come, too.
    /// </summary>
    public bool Causal { get; init; } = true;

    /// <summary>How many keys a token sees, itself the last of them; 0: all. Causal attention only.</summary>
    public int Window { get; init; }

    /// <summary>
    /// How many of its keys each sequence has, from the first on: what stands behind them is padding. Empty: all. Not
    /// for causal attention, where padding behind a text changes nothing. It is not changed while a tape may go
    /// backward. A token that sees no key gives zeros.
    /// </summary>
    public ReadOnlyMemory<int> KeyLengths { get; init; }

    /// <summary>
    /// Keys before the first token, shape [sequences, past, keyValueHeads·headDim]; optional. Of a pool of more
    /// sequences if there are <see cref="Slots"/>.
    /// </summary>
    public DeviceArray PastKeys { get; init; }

    /// <summary>Values before the first token, of the shape of <see cref="PastKeys"/>; optional.</summary>
    public DeviceArray PastValues { get; init; }

    /// <summary>
    /// How many of the past keys of each row of <see cref="PastKeys"/> there are, from the first on; empty: all. It is
    /// not changed while a tape may go backward.
    /// </summary>
    public ReadOnlyMemory<int> PastLengths { get; init; }

    /// <summary>
    /// Which rows of <see cref="PastKeys"/> the sequences have; null: one row for each, in their order.
    /// </summary>
    public StateSlots? Slots { get; init; }

    /// <summary>Heads of the queries.</summary>
    public required int Heads { get; init; }

    /// <summary>Heads of the keys and values; each serves as many query heads in a row.</summary>
    public required int KeyValueHeads { get; init; }

    internal int HeadDim => Queries.Shape.Width / Heads;

    /// <summary>Rows of each sequence's past, of which <see cref="PastLengths"/> are keys.</summary>
    internal int PastCapacity => PastKeys.Exists ? PastKeys.Shape[1] : 0;

    /// <summary>Throws unless the shapes fit each other.</summary>
    internal void Validate(Sequences sequences)
    {
        DeviceArray.Require("queries", Queries);
        if (Heads < 1 || KeyValueHeads < 1 || Heads % KeyValueHeads != 0 || Queries.Shape.Width % Heads != 0)
        {
            throw new ArgumentException(
                $"Expected queries of whole heads, as many for each key head; found {Queries.Shape} with {Heads} and " +
                $"{KeyValueHeads} heads.");
        }

        Shape keys = Queries.Shape.WithWidth(KeyValueHeads * HeadDim);
        if (!Causal && sequences.Segments is null && Keys is { Exists: true, Shape.Rank: 3 })
        {
            keys = [keys[0], Keys.Shape[1], keys[2]];
        }

        RequireSight(sequences, keys[1]);
        DeviceArray.Require("keys", Keys, keys);
        DeviceArray.Require("values", Values, keys);
        if (PastKeys.Exists != PastValues.Exists)
        {
            throw new ArgumentException("PastKeys and PastValues must both be set, or both absent.");
        }

        if (!PastKeys.Exists && (Slots is not null || !PastLengths.IsEmpty))
        {
            throw new ArgumentException("Slots and PastLengths are of PastKeys; found no PastKeys.");
        }

        if (PastKeys.Exists && PastKeys.Shape.Rank != 3)
        {
            throw new ArgumentException(
                $"Expected past keys of shape [sequences, past, {KeyValueHeads * HeadDim}]; found {PastKeys.Shape}.");
        }

        Shape past = [sequences.StateCount, PastCapacity, KeyValueHeads * HeadDim];
        DeviceArray.RequireOptional("past keys", PastKeys, past);
        DeviceArray.RequireOptional("past values", PastValues, past);
        if (!PastLengths.IsEmpty)
        {
            SequenceLengths.Require(PastLengths.Span, sequences.StateCount, PastCapacity, nameof(PastLengths));
        }
    }

    /// <summary>Throws unless what a token sees makes sense.</summary>
    private void RequireSight(Sequences sequences, int mostKeys)
    {
        if (Window < 0 || (Window > 0 && !Causal))
        {
            throw new ArgumentException(
                $"Window must be 0 (all keys) or, in causal attention, positive; found {Window} with Causal {Causal}.");
        }

        if (Causal && !KeyLengths.IsEmpty)
        {
            throw new ArgumentException("KeyLengths are for attention that is not causal; found Causal true.");
        }

        if (!Causal && PastKeys.Exists)
        {
            throw new ArgumentException("PastKeys are for causal attention; found Causal false.");
        }

        if (!KeyLengths.IsEmpty)
        {
            SequenceLengths.Require(KeyLengths.Span, sequences.Count, int.MaxValue, nameof(KeyLengths));
            for (int i = 0; i < sequences.Count; i++)
            {
                int most = sequences.Segments is null ? mostKeys : sequences.Length(i);
                if (KeyLengths.Span[i] > most)
                {
                    throw new ArgumentException(
                        $"Sequence {i} has {most} keys; KeyLengths says {KeyLengths.Span[i]}.");
                }
            }
        }
    }

    /// <summary>Keys before a sequence's first token.</summary>
    internal int PastOf(int slot) => PastLengths.IsEmpty ? PastCapacity : PastLengths.Span[slot];

    /// <summary>Puts other arrays in place of the operands.</summary>
    internal AttentionInputs Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with
        {
            Queries = map.Operand(Queries),
            Keys = map.Operand(Keys),
            Values = map.Operand(Values),
            PastKeys = map.Operand(PastKeys),
            PastValues = map.Operand(PastValues),
        };
}
