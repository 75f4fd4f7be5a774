using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>The inputs of attention.</summary>
/// <example>
/// <code>
/// DeviceArray y = Functions.Attention(new()
/// {
///     Queries = queries,                                                // [batch, length, 8·headDim]
///     Keys = keys,                                                      // [batch, length, 2·headDim]
///     Values = values,
///     Heads = 8,
///     KeyValueHeads = 2,
/// });
/// </code>
/// </example>
public readonly record struct AttentionInputs
{
    /// <summary>Creates inputs of causal attention without a window.</summary>
    public AttentionInputs()
    {
    }

    /// <summary>Queries, shape [batch, length, heads·headDim].</summary>
    public required DeviceArray Queries { get; init; }

    /// <summary>
    /// Keys, shape [batch, length, keyValueHeads·headDim]. The length may differ from that of the queries if attention
    /// is not <see cref="Causal"/>, for example for keys from another text or an image.
    /// </summary>
    public required DeviceArray Keys { get; init; }

    /// <summary>Values, of the shape of <see cref="Keys"/>.</summary>
    public required DeviceArray Values { get; init; }

    /// <summary>Whether a token sees only its past and itself; otherwise it sees all keys of its sequence.</summary>
    public bool Causal { get; init; } = true;

    /// <summary>
    /// Number of keys that a token sees, itself included as the last; 0 for all. Causal attention only.
    /// </summary>
    public int Window { get; init; }

    /// <summary>
    /// Number of keys of each sequence; those after them are padding. Empty if there is no padding. Not for causal
    /// attention, where padding after a text has no effect. Must not change until the tape has gone backward. The
    /// output of a token that sees no key is zero.
    /// </summary>
    public ReadOnlyMemory<int> KeyLengths { get; init; }

    /// <summary>
    /// Keys before the first token, shape [sequences, past, keyValueHeads·headDim]; optional. With <see cref="Slots"/>,
    /// the first axis is that of a pool.
    /// </summary>
    public DeviceArray PastKeys { get; init; }

    /// <summary>Values before the first token, of the shape of <see cref="PastKeys"/>; optional.</summary>
    public DeviceArray PastValues { get; init; }

    /// <summary>
    /// Number of keys in each row of <see cref="PastKeys"/>, counted from the first; empty if all are used. Must not
    /// change until the tape has gone backward.
    /// </summary>
    public ReadOnlyMemory<int> PastLengths { get; init; }

    /// <summary>The row of <see cref="PastKeys"/> for each sequence; null if sequence i has row i.</summary>
    public StateSlots? Slots { get; init; }

    /// <summary>Factor of the products of queries and keys, before the softmax; null: 1/√headDim.</summary>
    public float? Scale { get; init; }

    /// <summary>
    /// Terms that are added to the scores before the softmax, such as a bias of relative positions: shape [heads or 1,
    /// queries, keys]; optional. -∞ hides a key, and the output of a query without a key is zero. Not for packed
    /// sequences, nor with <see cref="PastKeys"/>, whose number of keys changes.
    /// </summary>
    /// <example>
    /// Scores that fall with the distance of two tokens, at a rate of each head's own; rates has shape [heads, 1, 1],
    /// and distances has shape [length, length]:
    /// <code>
    /// DeviceArray y = Functions.Attention(new()
    /// {
    ///     Queries = queries, Keys = keys, Values = values, Heads = heads, KeyValueHeads = heads,
    ///     Mask = rates * distances,
    /// });
    /// </code>
    /// </example>
    public DeviceArray Mask { get; init; }

    /// <summary>Number of heads of the queries.</summary>
    public required int Heads { get; init; }

    /// <summary>Number of heads of the keys and values; each serves equally many neighbouring query heads.</summary>
    public required int KeyValueHeads { get; init; }

    internal int HeadDim => Queries.Shape.Width / Heads;

    internal float ScoreScale => Scale ?? (1f / MathF.Sqrt(HeadDim));

    /// <summary>Rows of each sequence's past; <see cref="PastLengths"/> says how many are keys.</summary>
    internal int PastCapacity => PastKeys.Exists ? PastKeys.Shape[1] : 0;

    /// <summary>Throws unless the shapes match.</summary>
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
        if (Mask.Exists)
        {
            RequireMask(sequences);
        }

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

    /// <summary>Throws unless Scale, Window, Causal, KeyLengths and PastKeys are valid together.</summary>
    private void RequireSight(Sequences sequences, int mostKeys)
    {
        if (Scale is { } scale && !float.IsFinite(scale))
        {
            throw new ArgumentException($"Scale must be finite; found {scale}.");
        }

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

    private void RequireMask(Sequences sequences)
    {
        if (PastKeys.Exists || sequences.Segments is not null)
        {
            throw new ArgumentException(
                "A Mask is for sequences of one length without PastKeys; found " +
                (PastKeys.Exists ? "PastKeys." : "segments."));
        }

        (int queries, int keys) = (Queries.Shape[1], Keys.Shape[1]);
        if (Mask.Shape != Shape.Create([1, queries, keys]))
        {
            DeviceArray.Require("the mask (its first axis may be 1)", Mask, [Heads, queries, keys]);
        }
    }

    /// <summary>Number of keys before a sequence's first token.</summary>
    internal int PastOf(int slot) => PastLengths.IsEmpty ? PastCapacity : PastLengths.Span[slot];

    /// <summary>Replaces the operands by other arrays.</summary>
    internal AttentionInputs Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with
        {
            Queries = map.Operand(Queries),
            Keys = map.Operand(Keys),
            Values = map.Operand(Values),
            Mask = map.Operand(Mask),
            PastKeys = map.Operand(PastKeys),
            PastValues = map.Operand(PastValues),
        };
}
