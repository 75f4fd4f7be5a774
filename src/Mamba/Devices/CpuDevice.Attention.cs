using Mamba.Kernels;
using Mamba.Simd;

namespace Mamba.Devices;

public sealed unsafe partial class CpuDevice
{
    internal override void Attention(in AttentionInputs inputs, Segments? segments, DeviceArray y)
    {
        Sequences sequences = new(inputs.Queries.Shape, segments);
        inputs.Validate(sequences);
        RequireSameShape(inputs.Queries, y);
        using DeviceScope scope = Scope();
        AttentionParts parts = new(this, inputs, sequences);
        int items = sequences.Count * inputs.Heads;
        Rows scratch = RowsOf(Allocate([items, inputs.Past + sequences.LongestLength]));
        Run(new AttentionJob(parts, RowsOf(y), scratch), items);
    }

    internal override void AttentionBackward(
        in AttentionInputs inputs, Segments? segments, DeviceArray gy, in AttentionGradients gradients)
    {
        Sequences sequences = new(inputs.Queries.Shape, segments);
        using DeviceScope scope = Scope();
        AttentionParts parts = new(this, inputs, sequences);

        // Heads that share keys add to the same gradients: they are one item.
        int items = sequences.Count * inputs.KeyValueHeads;
        int scratch = 2 * (inputs.Past + sequences.LongestLength);
        Run(
            new AttentionBackwardJob(
                parts,
                RowsOf(gy),
                RowsOf(gradients.Queries),
                RowsOf(gradients.Keys),
                RowsOf(gradients.Values),
                RowsOf(gradients.PastKeys),
                RowsOf(gradients.PastValues),
                RowsOf(Allocate([items, scratch]))),
            items);
    }

    internal override void Rotary(
        DeviceArray x, RotaryOptions options, Segments? segments, bool inverse, DeviceArray y)
    {
        RequireSameShape(x, y);
        options.Validate(x.Shape);
        Sequences sequences = new(x.Shape, segments);
        using DeviceScope scope = Scope();
        Rows angles = RowsOf(Allocate([sequences.Count, Math.Max(options.RotaryDim, 1)]));
        Run(
            new RotaryJob(sequences, RowsOf(x), RowsOf(y), angles, x.Shape.Width, options, inverse),
            sequences.Count);
    }

    /// <summary>The memory of attention's inputs, cut by sequence and head.</summary>
    private readonly struct AttentionParts(CpuDevice device, AttentionInputs inputs, Sequences sequences)
    {
        private readonly Rows _q = device.RowsOf(inputs.Queries);
        private readonly Rows _k = device.RowsOf(inputs.Keys);
        private readonly Rows _v = device.RowsOf(inputs.Values);
        private readonly Rows _pastK = device.RowsOf(inputs.PastKeys);
        private readonly Rows _pastV = device.RowsOf(inputs.PastValues);
        private readonly int _dim = inputs.HeadDim;

        public int Heads { get; } = inputs.Heads;

        public int KeyValueHeads { get; } = inputs.KeyValueHeads;

        public int Past { get; } = inputs.Past;

        public AttentionSizes Sizes(int sequence) => new(Past, sequences.Length(sequence), _dim);

        public Rows Q(int sequence, int head) => OfHead(_q, sequence, head);

        public PastRows K(int sequence, int head) => OfHead(_pastK, _k, sequence, head);

        public PastRows V(int sequence, int head) => OfHead(_pastV, _v, sequence, head);

        public Rows OfHead(Rows rows, int sequence, int head) =>
            rows.IsNull ? rows : new Rows(rows[sequences.Start(sequence)], rows.Pitch).From(head * _dim);

        public PastRows OfHead(Rows past, Rows present, int sequence, int head) => new(
            past.IsNull ? past : new Rows(past[(nint)sequence * Past], past.Pitch).From(head * _dim),
            Past,
            OfHead(present, sequence, head));
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
                    parts.OfHead(gy, sequence, head),
                    parts.OfHead(gq, sequence, head),
                    parts.OfHead(gPastK, gk, sequence, shared),
                    parts.OfHead(gPastV, gv, sequence, shared),
                    scratch[item]);
            }
        }
    }

    private readonly struct RotaryJob(
        Sequences sequences, Rows x, Rows y, Rows angles, int width, RotaryOptions options, bool inverse) : IJob
    {
        public void Run(int item)
        {
            int start = sequences.Start(item);
            for (int t = 0; t < sequences.Length(item); t++)
            {
                Kernels.Rotary.Angles(
                    (long)options.Offset + t, options.RotaryDim, options.Base, inverse, angles[item]);
                Kernels.Rotary.Token(
                    x[start + t],
                    y[start + t],
                    width,
                    options.HeadDim,
                    angles[item],
                    options.RotaryDim,
                    options.Interleaved);
            }
        }
    }
}
