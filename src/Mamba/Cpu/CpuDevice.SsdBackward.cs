using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>
    /// Heads whose contributions to the gradients of B and C are one share. It is constant, because the order of the
    /// sums depends on it: it must not depend on the number of threads or sequences.
    /// </summary>
    private const int SsdHeadsOfShare = 4;

    internal override void SsdBackward(in SsdOperation ssd, in SsdOperation gradients)
    {
        (SsdInputs inputs, SsdSizes sizes, SsdInputs ofInputs) = (ssd.Inputs, ssd.Sizes, gradients.Inputs);
        if (sizes.Sequences.Count == 0)
        {
            return;
        }

        // The gradients of A, D and Δ's bias: every sequence has its own sums, which are added in order.
        using DeviceScope scope = Scope();
        int sequences = sizes.Sequences.Count;
        DeviceArray a = Zeros([sequences, sizes.Heads]), ofBias = Zeros([sequences, sizes.Heads]);
        DeviceArray ofD = ofInputs.D.Exists ? Zeros([sequences, inputs.D.Shape.Width]) : default;
        DeviceArray ofState = Allocate(sizes.StateShape);
        SsdBackwardPass pass = new()
        {
            Sizes = sizes,
            Operands = OperandsOf(inputs, sizes),
            Gradients = new SsdOperands
            {
                X = RowsOf(ofInputs.X),
                Delta = RowsOf(ofInputs.Weight),
                LogDecay = RowsOf(ofInputs.LogDecay),
                DiagonalScale = RowsOf(ofInputs.DiagonalScale),
                B = RowsOf(ofInputs.B),
                C = RowsOf(ofInputs.C),
                Z = RowsOf(ofInputs.Z),
                A = StartOf(a),
                D = StartOf(ofD),
                DeltaBias = StartOf(ofBias),
                WidthOfD = sizes.HasChannelD ? sizes.HeadDim : 1,
                HeadDim = sizes.HeadDim,
                States = sizes.States,
                HeadsPerGroup = sizes.Heads / sizes.Groups,
            },
            WidthOfD = ofD.Exists ? ofD.Shape.Width : 0,
            Gy = RowsOf(gradients.Y),
            OfFinalState = StartOf(gradients.FinalState),
            OfState = StartOf(ofState),
            Checkpoints = StartOf(ssd.Checkpoints),
        };
        RunChunksBackward(pass, Math.Clamp(LengthsOf(sizes.Sequences).Longest, 1, SsdChunkLengthOf(inputs)));
        DeviceArray ofA = GradientOfA(inputs.IsALog, ofInputs.GivenA);
        AddSums(a, ofA);
        AddToLog(inputs.IsALog, inputs.GivenA, isComplex: false, ofA, ofInputs.GivenA);
        AddSums(ofBias, ofInputs.DeltaBias);
        AddSums(ofD, ofInputs.D);
        if (ofInputs.InitialState.Exists)
        {
            AddScaled(ofState, 1f, ofInputs.InitialState);
        }
    }

    /// <summary>
    /// Computes the chunks backward in waves. Adds the heads' shares of the gradients of B and C after each wave.
    /// </summary>
    private void RunChunksBackward(SsdBackwardPass pass, int length)
    {
        SsdSizes sizes = pass.Sizes;
        SsdChunks chunks = ChunksOf(sizes, length);
        nint groupSize = SsdGroup.Size(length, sizes.States, forBackward: true);
        nint shareSize = SsdShare.Size(length, sizes.States);
        int blocks = SsdBlocksOf(sizes), shareCount = sizes.Groups * blocks;
        nint chunkSize = (groupSize * sizes.Groups) + (shareSize * shareCount);
        int wave = Math.Clamp((int)(SsdWaveSize / chunkSize), 1, chunks.Count);
        Rows groups = new(StartOf(Allocate([wave * sizes.Groups, (int)groupSize])), groupSize);
        Rows shares = new(StartOf(Allocate([wave * shareCount, (int)shareSize])), shareSize);
        ScratchSlots scratch = Slots(Kernels.SsdBackward.Size(SsdHeadsOfShare, length, sizes.States, sizes.HeadDim));
        for (int to = chunks.Count; to > 0; to -= wave)
        {
            int from = Math.Max(0, to - wave), groupItems = (to - from) * sizes.Groups;
            int sequence = chunks.SequenceOf(from), end = chunks.SequenceOf(to - 1) + 1;
            int items = (end - sequence) * shareCount;
            Run(new SsdGroupJob(sizes, pass.Operands, chunks, from, groups, true), groupItems);
            if (Width.Has512) { RunWave<Lanes512>(); }
            else if (Width.Has256) { RunWave<Lanes256>(); }
            else if (Width.Has128) { RunWave<Lanes128>(); }
            else { RunWave<Lane>(); }
            Run(new SsdShareJob(sizes, pass.Gradients, chunks, from, shares), groupItems);

            void RunWave<TLanes>()
                where TLanes : struct, ILanes<TLanes> =>
                Run(new SsdBackwardJob<TLanes>(pass, chunks, from, to, groups, shares, scratch), items);
        }
    }

    /// <summary>
    /// Number of a group's blocks of <see cref="SsdHeadsOfShare"/> heads; the last may be smaller.
    /// </summary>
    private static int SsdBlocksOf(SsdSizes sizes) =>
        ((sizes.Heads / sizes.Groups) + SsdHeadsOfShare - 1) / SsdHeadsOfShare;

    /// <summary>The operands of a backward pass.</summary>
    private readonly struct SsdBackwardPass
    {
        public SsdSizes Sizes { get; init; }

        public SsdOperands Operands { get; init; }

        /// <summary>
        /// The gradients that are added to. A, D and Δ's bias have sums of their own for every sequence.
        /// </summary>
        public SsdOperands Gradients { get; init; }

        /// <summary>Elements of D.</summary>
        public int WidthOfD { get; init; }

        public Rows Gy { get; init; }

        public float* OfFinalState { get; init; }

        /// <summary>The gradients of the states before the last wave; finally, of the initial states.</summary>
        public float* OfState { get; init; }

        public float* Checkpoints { get; init; }

        /// <summary>The gradients of a sequence.</summary>
        public SsdOperands GradientsOf(int sequence) => Gradients with
        {
            A = Gradients.A + (sequence * Sizes.Heads),
            D = Gradients.D == null ? null : Gradients.D + ((nint)sequence * WidthOfD),
            DeltaBias = Gradients.DeltaBias + (sequence * Sizes.Heads),
        };
    }

    /// <summary>A block of heads of one sequence: its chunks in the wave.</summary>
    private readonly struct SsdBackwardJob<TLanes>(
        SsdBackwardPass pass, SsdChunks chunks, int from, int to, Rows groups, Rows shares, ScratchSlots scratch) : IJob
        where TLanes : struct, ILanes<TLanes>
    {
        public void Run(int item)
        {
            SsdSizes sizes = pass.Sizes;
            int headsPerGroup = sizes.Heads / sizes.Groups, blocks = SsdBlocksOf(sizes);
            (int ofGroup, int block) = Math.DivRem(item, blocks);
            (int sequence, int group) = Math.DivRem(ofGroup, sizes.Groups);
            int firstOfBlock = block * SsdHeadsOfShare, head = (group * headsPerGroup) + firstOfBlock;
            sequence += chunks.SequenceOf(from);
            SsdSpan span = chunks.SpanOf(sequence, from, to);
            nint size = (nint)sizes.HeadDim * sizes.States, start = sizes.Sequences.Start(sequence);
            nint state = (((nint)sequence * sizes.Heads) + head) * size;
            nint chunk = chunks.FirstOf(sequence) + span.First - from;
            nint checkpoint = ((nint)chunks.FirstCheckpointOf(sequence) * sizes.Heads) + head;
            float* initial = pass.Operands.InitialState, ofFinal = pass.OfFinalState, ofState = pass.OfState + state;
            bool endsSequence = chunks.FirstOf(sequence) + span.End == chunks.FirstOf(sequence + 1);
            using ScratchSlots.Slot slot = scratch.Take();
            Kernels.SsdBackward backward = Kernels.SsdBackward.In(
                slot.Memory, SsdHeadsOfShare, chunks.Length, sizes.States, sizes.HeadDim);
            backward.Run<TLanes>(
                pass.Operands.At(start, head),
                pass.GradientsOf(sequence).At(start, head),
                Math.Min(SsdHeadsOfShare, headsPerGroup - firstOfBlock),
                span,
                new(groups[(chunk * sizes.Groups) + group], groups.Pitch * sizes.Groups),
                initial == null ? null : initial + state,
                new(pass.Checkpoints + (checkpoint * size), size * sizes.Heads),
                pass.Gy.At(start, head * sizes.HeadDim),
                !endsSequence ? ofState : ofFinal == null ? null : ofFinal + state,
                ofState,
                new(
                    shares[(((chunk * sizes.Groups) + group) * blocks) + block],
                    shares.Pitch * sizes.Groups * blocks));
        }
    }

    /// <summary>Adds the shares of B's and C's gradients of one group in one chunk.</summary>
    private readonly struct SsdShareJob(SsdSizes sizes, SsdOperands gradients, SsdChunks chunks, int from, Rows shares)
        : IJob
    {
        public void Run(int item)
        {
            (int chunk, int group) = Math.DivRem(item, sizes.Groups);
            int sequence = chunks.SequenceOf(from + chunk), blocks = SsdBlocksOf(sizes);
            SsdSpan span = chunks.SpanOf(sequence, from + chunk, from + chunk + 1);
            SsdOperands targets = gradients.At(
                sizes.Sequences.Start(sequence) + span.Start(span.First), group * gradients.HeadsPerGroup);
            SsdShare.Add(
                new(shares[(nint)item * blocks], shares.Pitch),
                blocks,
                chunks.Length,
                span.Tokens(span.First),
                sizes.States,
                targets.B,
                targets.C);
        }
    }
}
