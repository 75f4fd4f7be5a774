using Mamba.Gpu.Cuda;
using Mamba.Gpu.Kernels;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Gpu;

/// <content>
/// The SSD: short sequences token by token, longer ones in chunks as matrix products (Dao and Gu, arXiv:2405.21060,
/// section 6): diagonal blocks <c>(L ∘ C·Bᵀ)·Δx</c>, and a recurrence over chunk states.
/// </content>
public sealed partial class GpuDevice
{
    /// <summary>Sequences up to this length are computed token by token.</summary>
    private const int ShortLength = 8;

    /// <summary>Tokens of a chunk. Longer chunks make larger products, but more work per token.</summary>
    private const int SsdChunkLength = 64;

    /// <summary>Elements of the largest matrices of one part: [chunk, chunk] for all its chunks and heads.</summary>
    private const long SsdPartSize = 1L << 26;

    internal override Shape SsdCheckpointShape(in SsdOperation ssd)
    {
        SsdSizes sizes = ssd.Sizes;
        int chunks = CountChunks(sizes, ChunkLengthOf(ssd.Inputs), shorter: true);
        return [chunks + sizes.Sequences.Count, sizes.Heads * sizes.HeadDim, sizes.States];
    }

    internal override void Ssd(in SsdOperation ssd)
    {
        (SsdInputs inputs, SsdSizes sizes, DeviceArray checkpoints) = (ssd.Inputs, ssd.Sizes, ssd.Checkpoints);
        using DeviceScope scope = Scope();
        if (TrySsdStep(ssd))
        {
            return;
        }

        CudaSsd? kernels = CudaSsdOf(ssd);
        bool allInChunks = checkpoints.Exists || (inputs.ChunkLength > 0 && kernels is null);
        if (!allInChunks && sizes.Sequences.CommonLength <= ShortLength)
        {
            SsdTokens(ssd);
            if (sizes.Sequences.LongestLength <= ShortLength)
            {
                return;
            }
        }

        if (kernels is not null)
        {
            SsdInCudaC(ssd, kernels);
            return;
        }

        SsdPlan plan = PlanOf(inputs, sizes, allInChunks);
        DeviceArray states = checkpoints.Exists ? checkpoints
            : Allocate([plan.Count + sizes.Sequences.Count, plan.Shape.Channels, sizes.States]);
        for (int first = 0; first < plan.Count; first += plan.PartLength)
        {
            using DeviceScope part = Scope();
            SsdPart whole = SsdForward(
                inputs, plan, first, Math.Min(plan.Count, first + plan.PartLength), states, ssd.FinalState);
            (Plane plane, long groups, (int, int) threads) = PlaneOf(whole.Inside.Shape, flat: false);
            Launch(
                new SsdOutputKernel(
                    plane, plan.Chunks, first, plan.Shape, plan.Sums, RowsOf(whole.Inside), RowsOf(whole.Across),
                    plan.Skip, whole.Diagonal, RowsOf(inputs.X), RowsOf(inputs.Z), RowsOf(ssd.Y)),
                groups,
                threads);
        }
    }

    /// <summary>
    /// Computes the diagonal blocks, inter-chunk terms and states of chunks <paramref name="first"/> to
    /// <paramref name="last"/> - 1.
    /// </summary>
    private SsdPart SsdForward(
        in SsdInputs inputs, SsdPlan plan, int first, int last, DeviceArray states, DeviceArray finalState)
    {
        (SsdShape shape, int length, int count) = (plan.Shape, plan.Chunks.Length, last - first);
        (int groups, int channels, int n) = (shape.Groups, shape.Channels, shape.States);
        Precision precision = inputs.X.Precision;
        SsdPart part = new(count)
        {
            B = InChunks<Unweighted>(plan, first, count, inputs.B, precision),
            C = InChunks<Unweighted>(plan, first, count, inputs.C, precision),
            Input = InChunks<ByStep>(plan, first, count, inputs.X, precision),
            Mix = Allocate([count * shape.Heads * length, length], precision),
            Diagonal = inputs.DiagonalScale.Exists
                ? new(RowsOf(inputs.DiagonalScale), RowsOf(Allocate([count * length, groups])))
                : default,
            Inside = Allocate([count * length, channels]),
            Across = Allocate([count * length, channels]),
            Before = Allocate([count * channels, n], precision),
        };

        // C·Bᵀ for each group, then times the decays for each head.
        using (DeviceScope products = Scope())
        {
            DeviceArray pairs = Allocate([count * groups * length, length]);
            Multiply(
                part.Coupling(part.C, shape), false, part.Coupling(part.B, shape), true,
                SsdPart.PairsOf(pairs, groups), new(length, length, n, count, groups), false);
            (Plane plane, long launch, (int, int) threads) = PlaneOf(part.Mix.Shape, flat: false);
            Launch(
                new SsdMixKernel(
                    plane, plan.Chunks, first, shape, plan.Sums, part.Diagonal, RowsOf(pairs), RowsOf(part.Mix)),
                launch,
                threads);
        }

        Multiply(
            SsdPart.PairsOf(part.Mix, shape.Heads), false, part.Heads(part.Input, shape), false,
            part.Heads(part.Inside, shape), new(length, shape.HeadDim, length, count, shape.Heads), false);

        // Chunk states, then the recurrence over chunks.
        using (DeviceScope passing = Scope())
        {
            DeviceArray toEnd = InChunks<ByStepToEnd>(plan, first, count, inputs.X, precision);
            DeviceArray added = Allocate([count * channels, n]);
            Multiply(
                part.Groups(toEnd, shape), true, part.Coupling(part.B, shape), false, SsdPart.States(added, shape),
                new(channels / groups, n, length, count, groups), false);
            (Plane plane, long launch, (int, int) threads) =
                PlaneOf([plan.Sequences * channels, n], flat: false);
            Launch(
                new SsdPassKernel(
                    plane, plan.Chunks, first, last, plan.FirstOf, shape, plan.Sums,
                    VectorOfRows(inputs.InitialState, n), RowsOf(added), VectorOfRows(states, n), RowsOf(part.Before),
                    VectorOfRows(finalState, n)),
                launch,
                threads);
        }

        Multiply(
            part.Coupling(part.C, shape), false, SsdPart.States(part.Before, shape), true,
            part.Groups(part.Across, shape), new(length, channels / groups, n, count, groups), false);
        return part;
    }

    private void SsdTokens(in SsdOperation ssd)
    {
        (SsdInputs inputs, SsdSizes sizes) = (ssd.Inputs, ssd.Sizes);
        SsdShape shape = ShapeOf(sizes);
        int along = PowerOfTwo((sizes.States + 3) / 4, Math.Max(GroupSize / 8, 1));
        int channels = PowerOfTwo(sizes.HeadDim, GroupSize / along);
        Launch(
            new SsdTokenKernel(
                SequencesOf(sizes.Sequences), ShortLength, shape, StepOf(inputs),
                RowsOf(inputs.X), RowsOf(inputs.B), RowsOf(inputs.C), SkipOf(inputs, sizes),
                RowsOf(inputs.DiagonalScale), RowsOf(inputs.Z), VectorOfRows(inputs.InitialState, sizes.States),
                VectorOfRows(ssd.FinalState, sizes.States),
                RowsOf(ssd.Y)),
            (Groups(sizes.HeadDim, channels) * sizes.Heads * sizes.Sequences.Count, 1),
            (along, channels));
    }

    /// <summary>Cuts the sequences into chunks, and computes Δ and the decays of all tokens.</summary>
    private SsdPlan PlanOf(in SsdInputs inputs, in SsdSizes sizes, bool shorter)
    {
        int length = ChunkLengthOf(inputs), count = CountChunks(sizes, length, shorter);
        int[] table = new int[3 * count], firstOf = new int[sizes.Sequences.Count + 1];
        int chunk = 0;
        for (int sequence = 0; sequence < sizes.Sequences.Count; sequence++)
        {
            firstOf[sequence] = chunk;
            int tokens = sizes.Sequences.Length(sequence);
            for (int i = 0; i < ChunksOf(tokens, length, shorter); i++, chunk++)
            {
                table[3 * chunk] = sizes.Sequences.Start(sequence) + (i * length);
                table[(3 * chunk) + 1] = Math.Min(length, tokens - (i * length));
                table[(3 * chunk) + 2] = sequence;
            }
        }

        firstOf[^1] = chunk;
        SsdShape shape = ShapeOf(sizes);
        DeviceArray delta = Allocate([count * length, sizes.Heads]);
        DeviceArray sums = Allocate([count * sizes.Heads, length]), rests = Allocate(sums.Shape);
        SsdPlan plan = new()
        {
            Shape = shape,
            Chunks = new(IntegersOf(Indices(table)), length),
            FirstOf = IntegersOf(Indices(firstOf)),
            Count = count,
            Sequences = sizes.Sequences.Count,
            PartLength = (int)Math.Clamp(SsdPartSize / ((long)sizes.Heads * length * length), 1, Math.Max(count, 1)),
            Delta = RowsOf(delta),
            Sums = new(RowsOf(sums), RowsOf(rests), sizes.Heads, length),
            Step = StepOf(inputs),
            Skip = SkipOf(inputs, sizes),
        };
        Launch(
            new SsdDecayKernel(plan.Chunks, count, shape, plan.Step, plan.Delta, plan.Sums),
            Groups((long)count * sizes.Heads, GroupSize),
            GroupSize);
        return plan;
    }

    /// <summary>Copies rows of tokens into chunk layout, times a weight.</summary>
    private DeviceArray InChunks<TWeight>(
        SsdPlan plan, int first, int count, DeviceArray source, Precision precision)
        where TWeight : struct, ISsdWeight
    {
        DeviceArray target = Allocate([count * plan.Chunks.Length, source.Shape.Width], precision);
        (Plane plane, long groups, (int, int) threads) = PlaneOf(target.Shape, flat: false);
        Launch(
            new SsdOperandKernel<TWeight>(
                plane, plan.Chunks, first, plan.Sums, plan.Delta, plan.Shape, RowsOf(source),
                RowsOf(target)),
            groups,
            threads);
        return target;
    }

    /// <summary>A kernel's view of a contiguous array as rows of a width; <c>default</c> if it is absent.</summary>
    private GpuRows VectorOfRows(DeviceArray array, int width)
    {
        if (!array.Exists)
        {
            return default;
        }

        RequireContiguous(array);
        return RowsOf(array.Reshape([checked((int)(array.Shape.Count / Math.Max(width, 1))), width]));
    }

    private static SsdShape ShapeOf(in SsdSizes sizes) => new(sizes.Heads, sizes.HeadDim, sizes.Groups, sizes.States);

    private SsdStep StepOf(in SsdInputs inputs) => new(
        RowsOf(inputs.Weight), VectorOf(inputs.DeltaBias), inputs.Softplus, inputs.WeightLimits.Least,
        inputs.WeightLimits.Greatest, VectorOf(inputs.GivenA), inputs.IsALog, RowsOf(inputs.LogDecay));

    private SsdSkip SkipOf(in SsdInputs inputs, in SsdSizes sizes) => new(VectorOf(inputs.D), sizes.HasChannelD);

    private static int ChunkLengthOf(in SsdInputs inputs) =>
        inputs.ChunkLength > 0 ? inputs.ChunkLength : SsdChunkLength;

    private static int CountChunks(in SsdSizes sizes, int length, bool shorter)
    {
        int count = 0;
        for (int sequence = 0; sequence < sizes.Sequences.Count; sequence++)
        {
            count += ChunksOf(sizes.Sequences.Length(sequence), length, shorter);
        }

        return count;
    }

    /// <summary>
    /// Number of chunks of a sequence: at least one, which passes on the state; 0 if it is computed token by token.
    /// </summary>
    private static int ChunksOf(int tokens, int length, bool shorter) =>
        !shorter && tokens <= ShortLength ? 0 : Math.Max(1, (tokens + length - 1) / length);
}
