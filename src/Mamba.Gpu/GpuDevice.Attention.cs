using ILGPU;
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
        int dim = inputs.HeadDim, tiles = (sequences.LongestLength + 3) / 4;
        GpuRows gy = RowsOf(gradients.Y).CutAt(dim);
        GpuRows statistics = RowsOf(Allocate([sequences.Tokens, 4 * inputs.Heads]));
        Launch(
            new AttentionQueryGradientKernel(
                parts, inputs.Heads, tiles, gy, RowsOf(ofInputs.Queries).CutAt(dim), statistics),
            ((long)sequences.Count * tiles * inputs.Heads * columnTiles, 1),
            threads);

        int keyTiles = (attention.LongestPast + attention.LongestKeyLength + 3) / 4;
        Launch(
            new AttentionKeyGradientKernel(
                parts,
                inputs.KeyValueHeads,
                keyTiles,
                gy,
                statistics,
                PastRowsOf(ofInputs.PastKeys, ofInputs.Keys, dim),
                PastRowsOf(ofInputs.PastValues, ofInputs.Values, dim)),
            ((long)sequences.Count * keyTiles * inputs.KeyValueHeads * columnTiles, 1),
            threads);
        if (ofInputs.Mask.Exists)
        {
            (Plane plane, long groups, (int, int) own) = PlaneOf(ofInputs.Mask.Shape, flat: false);
            Launch(
                new AttentionMaskGradientKernel(
                    plane, parts, inputs.Heads, inputs.Mask.Shape[0], gy, statistics, RowsOf(ofInputs.Mask)),
                groups,
                own);
        }
    }

    internal override void Append(in AppendOperation append)
    {
        using DeviceScope scope = Scope();
        (ArrayView<int> lengths, int length) = NumbersOf(
            append, append.Sequences.Count, static (in AppendOperation operation, int i) => operation.LengthOf(i));
        int width = append.X.Shape.Width;
        Launch(
            new AppendKernel(
                SequencesOf(append.Sequences),
                (long)append.Sequences.Tokens * ((width + 3) / 4),
                lengths,
                length,
                append.Cache.Shape[1],
                width,
                RowsOf(append.X),
                RowsOf(append.Cache)),
            Groups((long)append.Sequences.Tokens * ((width + 3) / 4), GroupSize),
            GroupSize);
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

        (ArrayView<int> offsets, int offset) = NumbersOf(
            rotary, rotary.Sequences.Count, static (in RotaryOperation operation, int i) => operation.OffsetOf(i));
        long items = (long)rotary.Sequences.Tokens * heads * (options.HeadDim - pairs);
        Launch(
            new RotaryKernel(
                SequencesOf(rotary.Sequences),
                rotary.Sequences.Tokens,
                UploadScratch(turns).Cast<ulong>(),
                offsets,
                offset,
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
        (ArrayView<int> pastLengths, int past) = NumbersOf(
            attention, attention.Sequences.Count, static (in AttentionOperation operation, int i) => operation.Past(i));
        (ArrayView<int> keyLengths, int keys) = NumbersOf(
            attention,
            attention.Sequences.Count,
            static (in AttentionOperation operation, int i) => operation.KeyLength(i));
        AttentionParts parts = new(
            SequencesOf(attention.Sequences),
            RowsOf(inputs.Queries).CutAt(dim),
            PastRowsOf(inputs.PastKeys, inputs.Keys, dim),
            PastRowsOf(inputs.PastValues, inputs.Values, dim),
            pastLengths,
            past,
            inputs.PastCapacity,
            keyLengths,
            keys,
            attention.Sequences.Segments is null ? inputs.Keys.Shape[1] : -1,
            inputs.Causal ? 1 : 0,
            inputs.Window < attention.LongestPast + attention.LongestKeyLength ? inputs.Window : 0,
            inputs.Heads / inputs.KeyValueHeads,
            inputs.ScoreScale,
            RowsOf(inputs.Mask),
            inputs.Mask.Exists ? inputs.Mask.Shape[0] : 0,
            dim,
            (int)columnTiles);
        return (parts, columnTiles, threads);
    }

    private GpuPastRows PastRowsOf(DeviceArray past, DeviceArray present, int headDim) =>
        new(RowsOf(past).CutAt(headDim), RowsOf(present).CutAt(headDim));

    /// <summary>One number for each sequence in scratch memory, or one for all if they are equal.</summary>
    private (ArrayView<int> Each, int All) NumbersOf<T>(in T operation, int count, NumberOf<T> numberOf)
    {
        Span<int> numbers = count <= 256 ? stackalloc int[count] : new int[count];
        for (int i = 0; i < count; i++)
        {
            numbers[i] = numberOf(operation, i);
        }

        return count == 0 ? (default, 0)
            : numbers.ContainsAnyExcept(numbers[0]) ? (UploadScratch(numbers), -1)
            : (default, numbers[0]);
    }

    private delegate int NumberOf<T>(in T operation, int sequence);
}
