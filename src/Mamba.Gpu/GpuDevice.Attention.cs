using ILGPU;
using Mamba.Devices;
using Mamba.Gpu.Kernels;
using Mamba.Gpu.Memory;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    internal override void Attention(in AttentionInputs inputs, Segments? segments, DeviceArray y)
    {
        Sequences sequences = new(inputs.Queries.Shape, segments);
        inputs.Validate(sequences);
        RequireSameShape(inputs.Queries, y);
        using DeviceScope scope = Scope();
        (AttentionParts parts, long columnTiles, (int, int) threads) = PartsOf(inputs, sequences, segments);
        int tiles = (sequences.LongestLength + 3) / 4;
        Launch(
            new AttentionKernel(parts, inputs.Heads, tiles, RowsOf(y).CutAt(inputs.HeadDim)),
            ((long)sequences.Count * tiles * inputs.Heads * columnTiles, 1),
            threads);
    }

    internal override void AttentionBackward(
        in AttentionInputs inputs, Segments? segments, DeviceArray gy, in AttentionGradients gradients)
    {
        Sequences sequences = new(inputs.Queries.Shape, segments);
        using DeviceScope scope = Scope();
        (AttentionParts parts, long columnTiles, (int, int) threads) = PartsOf(inputs, sequences, segments);
        int dim = inputs.HeadDim, longest = sequences.LongestLength, tiles = (longest + 3) / 4;
        GpuRows statistics = RowsOf(Allocate([sequences.Tokens, 4 * inputs.Heads]));
        Launch(
            new AttentionQueryGradientKernel(
                parts, inputs.Heads, tiles, RowsOf(gy).CutAt(dim), RowsOf(gradients.Queries).CutAt(dim), statistics),
            ((long)sequences.Count * tiles * inputs.Heads * columnTiles, 1),
            threads);

        int keyTiles = (inputs.Past + longest + 3) / 4;
        Launch(
            new AttentionKeyGradientKernel(
                parts,
                inputs.KeyValueHeads,
                keyTiles,
                RowsOf(gy).CutAt(dim),
                statistics,
                PastRowsOf(gradients.PastKeys, inputs.Past, gradients.Keys, dim),
                PastRowsOf(gradients.PastValues, inputs.Past, gradients.Values, dim)),
            ((long)sequences.Count * keyTiles * inputs.KeyValueHeads * columnTiles, 1),
            threads);
    }

    internal override void Rotary(
        DeviceArray x, RotaryOptions options, Segments? segments, bool inverse, DeviceArray y)
    {
        RequireSameShape(x, y);
        options.Validate(x.Shape);
        Sequences sequences = new(x.Shape, segments);
        using DeviceScope scope = Scope();
        int pairs = options.RotaryDim / 2, heads = x.Shape.Width / options.HeadDim;
        Span<int> turns = pairs <= 256 ? stackalloc int[2 * pairs] : new int[2 * pairs];
        for (int i = 0; i < pairs; i++)
        {
            ulong fraction = Angle.Fraction(Math.Pow(options.Base, -2.0 * i / options.RotaryDim) / (2 * Math.PI));
            (turns[2 * i], turns[(2 * i) + 1]) = ((int)fraction, (int)(fraction >> 32));
        }

        long items = (long)sequences.Tokens * heads * (options.HeadDim - pairs);
        Launch(
            new RotaryKernel(
                SequencesOf(sequences, x.Shape, segments),
                sequences.Tokens,
                UploadScratch(turns).Cast<ulong>(),
                options.Offset,
                heads,
                options.HeadDim,
                pairs,
                options.Interleaved ? 1 : 0,
                inverse ? -1f : 1f,
                RowsOf(x),
                RowsOf(y)),
            Groups(items, GroupSize),
            GroupSize);
    }

    private (AttentionParts Parts, long ColumnTiles, (int X, int Y) Threads) PartsOf(
        in AttentionInputs inputs, in Sequences sequences, Segments? segments)
    {
        int dim = inputs.HeadDim;
        if (dim > AttentionParts.MaxDim)
        {
            throw new NotSupportedException($"Heads of at most {AttentionParts.MaxDim} are supported; found {dim}.");
        }

        (int X, int Y) threads = ThreadsOf(dim);
        long columnTiles = Math.Max(Groups(dim, 4 * threads.X), 1);
        AttentionParts parts = new(
            SequencesOf(sequences, inputs.Queries.Shape, segments),
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
