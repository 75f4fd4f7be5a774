using Mamba.Kernels;
using Mamba.Simd;

namespace Mamba.Devices;

public sealed unsafe partial class CpuDevice
{
    /// <summary>
    /// Tokens of a chunk where the caller leaves the choice: small enough for L1, long enough to pay off.
    /// </summary>
    private const int SsdChunkLength = 64;

    /// <summary>Longer chunks cost time and memory and give nothing.</summary>
    private const int SsdMaxChunkLength = 256;

    /// <summary>
    /// Sequences up to this length go token by token, where the caller leaves the choice: a chunk costs as much as a
    /// whole tile of rows, which is what eight single tokens cost at the released sizes (64 channels, 128 states).
    /// </summary>
    private const int SsdSequentialLength = SmallProduct.RowTile - 1;

    /// <summary>More heads at a time gain nothing, and their states would not stay in L2.</summary>
    private const int SsdMaxHeadsOfItem = 4;

    /// <summary>Floats of what groups share, or of gradients before they are added up, at a time: 16 MiB.</summary>
    private const int SsdWaveSize = 1 << 22;

    internal override Shape SsdCheckpointShape(in SsdInputs inputs, Segments? segments)
    {
        SsdSizes sizes = new(inputs, segments);
        int length = SsdChunkLengthOf(inputs), count = 0;
        for (int sequence = 0; sequence < sizes.Sequences.Count; sequence++)
        {
            count += SsdChunks.CountOf(sizes.Sequences.Length(sequence), length) - 1;
        }

        return [count, sizes.Heads, sizes.States, sizes.HeadDim];
    }

    internal override void Ssd(
        in SsdInputs inputs, Segments? segments, DeviceArray y, DeviceArray finalState, DeviceArray checkpoints)
    {
        SsdSizes sizes = new(inputs, segments);
        DeviceArray.Require("y", y, inputs.X.Shape);
        DeviceArray.Require("the final state", finalState, sizes.StateShape);
        using DeviceScope scope = Scope();
        SsdForward forward = new()
        {
            Sizes = sizes,
            Operands = OperandsOf(inputs, sizes),
            SequentialLength = inputs.ChunkLength == 0 ? SsdSequentialLength : 0,
            Y = RowsOf(y),
            FinalState = StartOf(finalState.Exists ? finalState : Allocate(sizes.StateShape)),
            Checkpoints = StartOf(checkpoints),
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
    /// Heads that take turns at the chunks of a sequence, where that leaves enough items for all threads: what they
    /// share is read once. It changes no bit of a head.
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
    /// Goes through the chunks in waves, so that what the groups share needs not be held for all of them.
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

    /// <summary>Scratch memory for the items of a job, until the end of the scope.</summary>
    private ScratchSlots Slots(nint size)
    {
        int whole = checked((int)SmallProduct.WholeColumns(checked((int)size)));
        return new(StartOf(Allocate([Threads, whole])), whole, (int*)StartOf(Zeros([Threads])), Threads);
    }

    private SsdOperands OperandsOf(in SsdInputs inputs, SsdSizes sizes) => new()
    {
        X = RowsOf(inputs.X),
        Delta = RowsOf(inputs.Delta),
        B = RowsOf(inputs.B),
        C = RowsOf(inputs.C),
        Z = RowsOf(inputs.Z),
        A = StartOf(inputs.A),
        D = StartOf(inputs.D),
        DeltaBias = StartOf(inputs.DeltaBias),
        InitialState = StartOf(inputs.InitialState),
        WidthOfD = sizes.HasChannelD ? sizes.HeadDim : 1,
        HeadDim = sizes.HeadDim,
        States = sizes.States,
        HeadsPerGroup = sizes.Heads / sizes.Groups,
        Softplus = inputs.Softplus,
        DeltaMin = inputs.DeltaMin,
        DeltaMax = inputs.DeltaMax,
    };

    /// <summary>A forward pass, for its jobs.</summary>
    private readonly struct SsdForward
    {
        public SsdSizes Sizes { get; init; }

        public SsdOperands Operands { get; init; }

        /// <summary>Sequences up to this length go token by token.</summary>
        public int SequentialLength { get; init; }

        public Rows Y { get; init; }

        public float* FinalState { get; init; }

        public float* Checkpoints { get; init; }

        public bool IsSequential(int sequence) => Sizes.Sequences.Length(sequence) <= SequentialLength;
    }

    /// <summary>One head of one short sequence.</summary>
    private readonly struct SsdSequentialJob(SsdForward forward) : IJob
    {
        public void Run(int item)
        {
            SsdSizes sizes = forward.Sizes;
            (int sequence, int head) = Math.DivRem(item, sizes.Heads);
            if (!forward.IsSequential(sequence))
            {
                return;
            }

            nint size = (nint)sizes.HeadDim * sizes.States, start = sizes.Sequences.Start(sequence);
            float* before = forward.Operands.InitialState, h = forward.FinalState + (item * size);
            if (before == null)
            {
                new Span<float>(h, (int)size).Clear();
            }
            else
            {
                new ReadOnlySpan<float>(before + (item * size), (int)size).CopyTo(new(h, (int)size));
            }

            SsdSequential.Run(
                forward.Operands.At(start, head),
                sizes.Sequences.Length(sequence),
                h,
                forward.Y.At(start, head * sizes.HeadDim));
        }
    }

    /// <summary>One group in one chunk.</summary>
    private readonly struct SsdGroupJob(
        SsdSizes sizes, SsdOperands operands, SsdChunks chunks, int from, Rows groups, bool forBackward) : IJob
    {
        public void Run(int item)
        {
            (int chunk, int group) = Math.DivRem(item, sizes.Groups);
            chunk += from;
            int sequence = chunks.SequenceOf(chunk);
            SsdSpan span = chunks.SpanOf(sequence, chunk, chunk + 1);
            int tokens = span.Tokens(span.First);
            if (tokens == 0)
            {
                return;
            }

            SsdOperands inputs = operands.At(
                sizes.Sequences.Start(sequence) + span.Start(span.First), group * operands.HeadsPerGroup);
            SsdGroup.In(groups[item], chunks.Length, sizes.States, forBackward)
                .Fill(inputs.B, inputs.C, tokens, sizes.States);
        }
    }

    /// <summary>Some heads of one group in one sequence, as far as it lies in the wave.</summary>
    private readonly struct SsdChunkedJob<TLanes>(
        SsdForward forward, SsdChunks chunks, int from, int to, Rows groups, int heads, ScratchSlots scratch) : IJob
        where TLanes : struct, ILanes<TLanes>
    {
        public void Run(int item)
        {
            SsdSizes sizes = forward.Sizes;
            int headsPerGroup = sizes.Heads / sizes.Groups, blocks = (headsPerGroup + heads - 1) / heads;
            (int ofGroup, int block) = Math.DivRem(item, blocks);
            (int sequence, int group) = Math.DivRem(ofGroup, sizes.Groups);
            sequence += chunks.SequenceOf(from);
            if (forward.IsSequential(sequence))
            {
                return;
            }

            int head = (group * headsPerGroup) + (block * heads);
            SsdSpan span = chunks.SpanOf(sequence, from, to);
            nint size = (nint)sizes.HeadDim * sizes.States, start = sizes.Sequences.Start(sequence);
            nint state = (((nint)sequence * sizes.Heads) + head) * size;
            float* initial = forward.Operands.InitialState, final = forward.FinalState + state;
            nint shared = ((nint)(chunks.FirstOf(sequence) + span.First - from) * sizes.Groups) + group;
            nint checkpoint = ((nint)chunks.FirstCheckpointOf(sequence) * sizes.Heads) + head;
            int slot = scratch.Take();
            SsdChunked.In(scratch[slot], heads, chunks.Length, sizes.States, sizes.HeadDim).Run<TLanes>(
                forward.Operands.At(start, head),
                Math.Min(heads, headsPerGroup - (block * heads)),
                span,
                new(groups[shared], groups.Pitch * sizes.Groups),
                span.First > 0 ? final : initial == null ? null : initial + state,
                forward.Y.At(start, head * sizes.HeadDim),
                final,
                forward.Checkpoints == null
                    ? default
                    : new(forward.Checkpoints + (checkpoint * size), size * sizes.Heads));
            scratch.Return(slot);
        }
    }
}
