using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>
    /// Default length of a chunk: small enough for L1, long enough to pay off.
    /// </summary>
    private const int SsdChunkLength = 64;

    /// <summary>Maximum length of a chunk. Longer ones cost time and memory without a gain.</summary>
    private const int SsdMaxChunkLength = 256;

    /// <summary>
    /// Sequences up to this length are computed token by token, unless the caller sets the chunk length. At the
    /// released sizes (64 channels, 128 states) a chunk of 6 tokens costs less than 6 single tokens if there is an
    /// initial state; without one, a chunk of 3 tokens costs less than 3.
    /// </summary>
    private const int SsdSequentialLength = 5;

    /// <summary>Maximum heads of an item. More gain nothing, and their states would not stay in L2.</summary>
    private const int SsdMaxHeadsOfItem = 4;

    /// <summary>Floats of the groups' matrices, and of gradient shares, in a wave of chunks: 16 MiB.</summary>
    private const int SsdWaveSize = 1 << 22;

    /// <summary>Called by every item that uses scratch memory; tests throw here.</summary>
    internal Action? ScratchUsed { get; set; }

    internal override Shape SsdCheckpointShape(in SsdOperation ssd)
    {
        SsdSizes sizes = ssd.Sizes;
        int length = SsdChunkLengthOf(ssd.Inputs), count = 0;
        for (int sequence = 0; sequence < sizes.Sequences.Count; sequence++)
        {
            count += SsdChunks.CountOf(sizes.Sequences.Length(sequence), length) - 1;
        }

        return [count, sizes.Heads, sizes.States, sizes.HeadDim];
    }

    internal override void Ssd(in SsdOperation ssd)
    {
        (SsdInputs inputs, SsdSizes sizes) = (ssd.Inputs, ssd.Sizes);
        using DeviceScope scope = Scope();
        SsdForward forward = new()
        {
            Sizes = sizes,
            Operands = OperandsOf(inputs, sizes),
            SequentialLength = inputs.ChunkLength == 0 ? SsdSequentialLength : 0,
            Y = RowsOf(ssd.Y),
            FinalState = StartOf(ssd.FinalState),
            Checkpoints = StartOf(ssd.Checkpoints),
        };
        (int shortest, int longest) = LengthsOf(sizes.Sequences);
        if (shortest <= forward.SequentialLength)
        {
            Run(new SsdSequentialJob(forward), sizes.Sequences.Count * sizes.Heads);
        }

        if (longest > forward.SequentialLength)
        {
            RunChunks(forward, Math.Min(SsdChunkLengthOf(inputs), longest));
        }
    }

    /// <summary>
    /// Heads that one item computes chunk by chunk, so that it reads the group's matrices once. Fewer if there would be
    /// too few items for all threads. The number does not change the bits of a head.
    /// </summary>
    private int SsdHeadsOfItem(SsdSizes sizes)
    {
        int heads = Math.Min(SsdMaxHeadsOfItem, sizes.Heads / sizes.Groups);
        while (heads > 1 && sizes.Sequences.Count * sizes.Heads / heads < 3 * Threads)
        {
            heads--;
        }

        return heads;
    }

    /// <summary>
    /// Computes the chunks in waves, so that only one wave's group matrices are in memory.
    /// </summary>
    private void RunChunks(SsdForward forward, int length)
    {
        SsdSizes sizes = forward.Sizes;
        SsdChunks chunks = ChunksOf(sizes, length);
        nint groupSize = SsdGroup.Size(length, sizes.States, forBackward: false);
        int wave = Math.Clamp((int)(SsdWaveSize / (groupSize * sizes.Groups)), 1, chunks.Count);
        Rows groups = new(StartOf(Allocate([wave * sizes.Groups, (int)groupSize])), groupSize);
        int heads = SsdHeadsOfItem(sizes), blocks = ((sizes.Heads / sizes.Groups) + heads - 1) / heads;
        ScratchSlots scratch = Slots(SsdChunked.Size(heads, length, sizes.States, sizes.HeadDim));
        for (int from = 0; from < chunks.Count; from += wave)
        {
            int to = Math.Min(from + wave, chunks.Count);
            int sequence = chunks.SequenceOf(from), end = chunks.SequenceOf(to - 1) + 1;
            Run(new SsdGroupJob(sizes, forward.Operands, chunks, from, groups, false), (to - from) * sizes.Groups);
            int items = (end - sequence) * sizes.Groups * blocks;
            if (Width.Has512) { RunWave<Lanes512>(); }
            else if (Width.Has256) { RunWave<Lanes256>(); }
            else if (Width.Has128) { RunWave<Lanes128>(); }
            else { RunWave<Lane>(); }

            void RunWave<TLanes>()
                where TLanes : struct, ILanes<TLanes> =>
                Run(new SsdChunkedJob<TLanes>(forward, chunks, from, to, groups, heads, scratch), items);
        }
    }

    private static int SsdChunkLengthOf(in SsdInputs inputs) =>
        inputs.ChunkLength == 0 ? SsdChunkLength : Math.Min(inputs.ChunkLength, SsdMaxChunkLength);

    private static (int Shortest, int Longest) LengthsOf(Sequences sequences)
    {
        int shortest = int.MaxValue, longest = 0;
        for (int sequence = 0; sequence < sequences.Count; sequence++)
        {
            shortest = Math.Min(shortest, sequences.Length(sequence));
            longest = Math.Max(longest, sequences.Length(sequence));
        }

        return (shortest, longest);
    }

    private SsdChunks ChunksOf(SsdSizes sizes, int length) =>
        new(sizes.Sequences, length, (int*)StartOf(Allocate([sizes.Sequences.Count + 1])));

    /// <summary>Allocates scratch memory for the items of a job, until the end of the scope.</summary>
    private ScratchSlots Slots(nint size)
    {
        int whole = checked((int)SmallProduct.WholeColumns(checked((int)size)));
        return new(
            StartOf(Allocate([Threads, whole])), whole, (int*)StartOf(Zeros([Threads])), Threads, ScratchUsed);
    }

    private SsdOperands OperandsOf(in SsdInputs inputs, SsdSizes sizes) => new()
    {
        X = RowsOf(inputs.X),
        Delta = RowsOf(inputs.Weight),
        LogDecay = RowsOf(inputs.LogDecay),
        DiagonalScale = RowsOf(inputs.DiagonalScale),
        B = RowsOf(inputs.B),
        C = RowsOf(inputs.C),
        Z = RowsOf(inputs.Z),
        A = StartOf(inputs.IsALog ? AOf(inputs.GivenA, isComplex: false) : inputs.GivenA),
        D = StartOf(inputs.D),
        DeltaBias = StartOf(inputs.DeltaBias),
        InitialState = StartOf(inputs.InitialState),
        WidthOfD = sizes.HasChannelD ? sizes.HeadDim : 1,
        HeadDim = sizes.HeadDim,
        States = sizes.States,
        HeadsPerGroup = sizes.Heads / sizes.Groups,
        Softplus = inputs.Softplus,
        DeltaMin = inputs.WeightLimits.Least,
        DeltaMax = inputs.WeightLimits.Greatest,
    };
}
