using Mamba.Gpu.Kernels;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    internal override void Attention(in AttentionOperation attention)
    {
        AttentionInputs inputs = attention.Inputs;
        using DeviceScope scope = Scope();
        (AttentionParts parts, long columnTiles, (int, int) threads) = PartsOf(attention);
        int tiles = (attention.Sequences.LongestLength + 3) / 4;
        Launch(
            new AttentionKernel(parts, inputs.Heads, tiles, RowsOf(attention.Y).CutAt(inputs.HeadDim)),
            ((long)attention.Sequences.Count * tiles * inputs.Heads * columnTiles, 1),
            threads);
    }

    internal override void AttentionBackward(in AttentionOperation attention, in AttentionOperation gradients)
    {
        (AttentionInputs inputs, AttentionInputs ofInputs) = (attention.Inputs, gradients.Inputs);
        Sequences sequences = attention.Sequences;
        using DeviceScope scope = Scope();
        (AttentionParts parts, long columnTiles, (int, int) threads) = PartsOf(attention);
        int dim = inputs.HeadDim, longest = sequences.LongestLength, tiles = (longest + 3) / 4;
        GpuRows gy = RowsOf(gradients.Y).CutAt(dim);
        GpuRows statistics = RowsOf(Allocate([sequences.Tokens, 4 * inputs.Heads]));
        Launch(
            new AttentionQueryGradientKernel(
                parts, inputs.Heads, tiles, gy, RowsOf(ofInputs.Queries).CutAt(dim), statistics),
            ((long)sequences.Count * tiles * inputs.Heads * columnTiles, 1),
            threads);

        int keyTiles = (inputs.Past + longest + 3) / 4;
        Launch(
            new AttentionKeyGradientKernel(
                parts,
                inputs.KeyValueHeads,
                keyTiles,
                gy,
                statistics,
                PastRowsOf(ofInputs.PastKeys, inputs.Past, ofInputs.Keys, dim),
                PastRowsOf(ofInputs.PastValues, inputs.Past, ofInputs.Values, dim)),
            ((long)sequences.Count * keyTiles * inputs.KeyValueHeads * columnTiles, 1),
            threads);
    }

    internal override void Rotary(in RotaryOperation rotary)
    {
        (RotaryOptions options, Shape shape) = (rotary.Options, rotary.X.Shape);
        using DeviceScope scope = Scope();
        int pairs = options.RotaryDim / 2, heads = shape.Width / options.HeadDim;
        Span<int> turns = pairs <= 256 ? stackalloc int[2 * pairs] : new int[2 * pairs];
        for (int i = 0; i < pairs; i++)
        {
            ulong fraction = Angle.Fraction(Math.Pow(options.Base, -2.0 * i / options.RotaryDim) / (2 * Math.PI));
            (turns[2 * i], turns[(2 * i) + 1]) = ((int)fraction, (int)(fraction >> 32));
        }

        long items = (long)rotary.Sequences.Tokens * heads * (options.HeadDim - pairs);
        Launch(
            new RotaryKernel(
                SequencesOf(rotary.Sequences),
                rotary.Sequences.Tokens,
                UploadScratch(turns).Cast<ulong>(),
                options.Offset,
                heads,
                options.HeadDim,
                pairs,
                options.Interleaved ? 1 : 0,
                rotary.Inverse ? -1f : 1f,
                RowsOf(rotary.X),
                RowsOf(rotary.Y)),
            Groups(items, GroupSize),
            GroupSize);
    }

    private (AttentionParts Parts, long ColumnTiles, (int X, int Y) Threads) PartsOf(
        in AttentionOperation attention)
    {
        AttentionInputs inputs = attention.Inputs;
        int dim = inputs.HeadDim;
        if (dim > AttentionParts.MaxDim)
        {
            throw new NotSupportedException($"Heads of at most {AttentionParts.MaxDim} are supported; found {dim}.");
        }

        (int X, int Y) threads = ThreadsOf(dim);
        long columnTiles = Math.Max(Groups(dim, 4 * threads.X), 1);
        AttentionParts parts = new(
            SequencesOf(attention.Sequences),
            RowsOf(inputs.Queries).CutAt(dim),
            PastRowsOf(inputs.PastKeys, inputs.Past, inputs.Keys, dim),
            PastRowsOf(inputs.PastValues, inputs.Past, inputs.Values, dim),
            inputs.Past,
            inputs.Heads / inputs.KeyValueHeads,
            dim,
            (int)columnTiles);
        return (parts, columnTiles, threads);
    }

    private GpuPastRows PastRowsOf(DeviceArray past, int count, DeviceArray present, int headDim) =>
        new(RowsOf(past).CutAt(headDim), count, RowsOf(present).CutAt(headDim));
}
