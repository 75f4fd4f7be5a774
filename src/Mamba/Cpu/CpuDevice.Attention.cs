using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    internal override void Attention(in AttentionOperation attention)
    {
        using DeviceScope scope = Scope();
        AttentionParts parts = new(this, attention);
        int items = attention.Sequences.Count * parts.Heads;
        Rows scratch = RowsOf(Allocate([items, parts.Capacity + attention.LongestKeyLength]));
        Run(new AttentionJob(parts, RowsOf(attention.Y), scratch), items);
    }

    internal override void AttentionBackward(in AttentionOperation attention, in AttentionOperation gradients)
    {
        using DeviceScope scope = Scope();
        AttentionParts parts = new(this, attention);

        // Query heads that share a key head add to the same gradients, so one item computes them all.
        int items = attention.Sequences.Count * parts.KeyValueHeads;
        int scratch = 2 * (parts.Capacity + attention.LongestKeyLength);
        Run(
            new AttentionBackwardJob(
                parts,
                RowsOf(gradients.Y),
                RowsOf(gradients.Inputs.Queries),
                RowsOf(gradients.Inputs.Keys),
                RowsOf(gradients.Inputs.Values),
                RowsOf(gradients.Inputs.PastKeys),
                RowsOf(gradients.Inputs.PastValues),
                RowsOf(Allocate([items, scratch]))),
            items);
        if (gradients.Inputs.Mask.Exists)
        {
            MaskBackwardJob job = new(
                parts, RowsOf(gradients.Y), RowsOf(gradients.Inputs.Mask), gradients.Inputs.Mask.Shape, default);
            Run(job with { Scratch = RowsOf(Allocate([job.Items, 2 * attention.LongestKeyLength])) }, job.Items);
        }
    }

    internal override void Append(in AppendOperation append) =>
        Run(new AppendJob(append, RowsOf(append.X), RowsOf(append.Cache)), append.Sequences.Count);

    internal override void Rotary(in RotaryOperation rotary)
    {
        using DeviceScope scope = Scope();
        Rows angles = RowsOf(Allocate([rotary.Sequences.Count, Math.Max(rotary.Options.RotaryDim, 1)]));
        Run(
            new RotaryJob(rotary, RowsOf(rotary.X), RowsOf(rotary.Y), angles),
            rotary.Sequences.Count);
    }

    /// <summary>The arrays of attention's inputs, addressed by sequence and head.</summary>
    private readonly struct AttentionParts(CpuDevice device, in AttentionOperation attention)
    {
        private readonly Rows _q = device.RowsOf(attention.Inputs.Queries);
        private readonly Rows _k = device.RowsOf(attention.Inputs.Keys);
        private readonly Rows _v = device.RowsOf(attention.Inputs.Values);
        private readonly Rows _pastK = device.RowsOf(attention.Inputs.PastKeys);
        private readonly Rows _pastV = device.RowsOf(attention.Inputs.PastValues);
        private readonly Rows _mask = device.RowsOf(attention.Inputs.Mask);
        private readonly AttentionOperation _attention = attention;
        private readonly int _dim = attention.Inputs.HeadDim;

        public int Heads { get; } = attention.Inputs.Heads;

        public int KeyValueHeads { get; } = attention.Inputs.KeyValueHeads;

        /// <summary>Rows of each sequence's past. The size of the scratch is constant while it is.</summary>
        public int Capacity { get; } = attention.Inputs.PastCapacity;

        public AttentionSizes Sizes(int sequence) =>
            new(
                _attention.Past(sequence),
                _attention.Sequences.Length(sequence),
                _attention.KeyLength(sequence),
                _dim,
                _attention.Inputs.Causal,
                _attention.Inputs.Window,
                _attention.Inputs.ScoreScale);

        public int Sequences => _attention.Sequences.Count;

        public Rows Mask(int head) =>
            _mask.IsNull ? _mask : _mask.At((nint)_attention.MaskOf(head) * _attention.Inputs.Mask.Shape[1], 0);

        public Rows Q(int sequence, int head) => OfHead(_q, sequence, head);

        public PastRows K(int sequence, int head) => OfHead(_pastK, _k, sequence, head);

        public PastRows V(int sequence, int head) => OfHead(_pastV, _v, sequence, head);

        public Rows OfHead(Rows rows, int sequence, int head) =>
            rows.IsNull ? rows : new Rows(rows[_attention.Sequences.Start(sequence)], rows.Pitch).From(head * _dim);

        public PastRows OfHead(Rows past, Rows present, int sequence, int head) => new(
            past.At((nint)_attention.Sequences.Slot(sequence) * Capacity, head * _dim),
            _attention.Past(sequence),
            present.At(_attention.KeyStart(sequence), head * _dim));
    }

    private readonly struct AttentionJob(AttentionParts parts, Rows y, Rows scratch) : IJob
    {
        public void Run(int item)
        {
            (int sequence, int head) = Math.DivRem(item, parts.Heads);
            int shared = head * parts.KeyValueHeads / parts.Heads;
            Kernels.Attention.Forward(
                parts.Sizes(sequence),
                parts.Q(sequence, head),
                parts.K(sequence, shared),
                parts.V(sequence, shared),
                parts.Mask(head),
                parts.OfHead(y, sequence, head),
                scratch[item]);
        }
    }

    private readonly struct AttentionBackwardJob(
        AttentionParts parts, Rows gy, Rows gq, Rows gk, Rows gv, Rows gPastK, Rows gPastV, Rows scratch) : IJob
    {
        public void Run(int item)
        {
            (int sequence, int shared) = Math.DivRem(item, parts.KeyValueHeads);
            int group = parts.Heads / parts.KeyValueHeads;
            for (int head = shared * group; head < (shared + 1) * group; head++)
            {
                Kernels.Attention.Backward(
                    parts.Sizes(sequence),
                    parts.Q(sequence, head),
                    parts.K(sequence, shared),
                    parts.V(sequence, shared),
                    parts.Mask(head),
                    parts.OfHead(gy, sequence, head),
                    parts.OfHead(gq, sequence, head),
                    parts.OfHead(gPastK, gk, sequence, shared),
                    parts.OfHead(gPastV, gv, sequence, shared),
                    scratch[item]);
            }
        }
    }

    /// <summary>
    /// The gradient of the mask, by rows: all sequences, and all heads that share the mask, add to the same row.
    /// </summary>
    private readonly record struct MaskBackwardJob(AttentionParts Parts, Rows Gy, Rows GMask, Shape Shape, Rows Scratch)
        : IJob
    {
        private const int QueriesPerItem = 16;

        public int Items => Shape[0] * ItemsPerHead;

        private int ItemsPerHead => (Shape[1] + QueriesPerItem - 1) / QueriesPerItem;

        public void Run(int item)
        {
            (int part, int block) = Math.DivRem(item, ItemsPerHead);
            int first = Shape[0] == 1 ? 0 : part, end = Shape[0] == 1 ? Parts.Heads : part + 1;
            int query = block * QueriesPerItem, endQuery = Math.Min(query + QueriesPerItem, Shape[1]);
            for (; query < endQuery; query++)
            {
                for (int sequence = 0; sequence < Parts.Sequences; sequence++)
                {
                    for (int head = first; head < end; head++)
                    {
                        int shared = head * Parts.KeyValueHeads / Parts.Heads;
                        Kernels.Attention.MaskBackward(
                            Parts.Sizes(sequence),
                            Parts.Q(sequence, head),
                            Parts.K(sequence, shared),
                            Parts.V(sequence, shared),
                            Parts.Mask(head),
                            Parts.OfHead(Gy, sequence, head),
                            query,
                            GMask[((nint)part * Shape[1]) + query],
                            Scratch[item]);
                    }
                }
            }
        }
    }

    private readonly struct AppendJob(AppendOperation append, Rows x, Rows cache) : IJob
    {
        public void Run(int item)
        {
            int width = append.X.Shape.Width, first = append.Sequences.Start(item);
            nint target = append.Start(item);
            for (int t = 0; t < append.Sequences.Length(item); t++)
            {
                new ReadOnlySpan<float>(x[first + t], width).CopyTo(new(cache[target + t], width));
            }
        }
    }

    private readonly struct RotaryJob(RotaryOperation rotary, Rows x, Rows y, Rows angles) : IJob
    {
        public void Run(int item)
        {
            RotaryOptions options = rotary.Options;
            int start = rotary.Sequences.Start(item);
            long position = (long)options.Offset + rotary.OffsetOf(item);
            for (int t = 0; t < rotary.Sequences.Length(item); t++)
            {
                Kernels.Rotary.Angles(
                    position + t, options.RotaryDim, options.Base, rotary.Inverse, angles[item]);
                Kernels.Rotary.Token(
                    x[start + t],
                    y[start + t],
                    rotary.X.Shape.Width,
                    options.HeadDim,
                    angles[item],
                    options.RotaryDim,
                    options.Interleaved);
            }
        }
    }
}
