using Mamba.Kernels;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>The operands of a forward pass.</summary>
    private readonly struct SsdForward
    {
        public SsdSizes Sizes { get; init; }

        public SsdOperands Operands { get; init; }

        /// <summary>Sequences up to this length are computed token by token.</summary>
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
            nint state = (((nint)sizes.Sequences.Slot(sequence) * sizes.Heads) + head) * size;
            float* before = forward.Operands.InitialState, h = forward.FinalState + state;
            if (before == null)
            {
                new Span<float>(h, (int)size).Clear();
            }
            else
            {
                new ReadOnlySpan<float>(before + state, (int)size).CopyTo(new(h, (int)size));
            }

            SsdSequential.Run(
                forward.Operands.At(start, head),
                sizes.Sequences.Length(sequence),
                h,
                forward.Y.At(start, head * sizes.HeadDim));
        }
    }

    /// <summary>The matrices of one group in one chunk.</summary>
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

    /// <summary>Some heads of one group in one sequence: its chunks in the wave.</summary>
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
            nint state = (((nint)sizes.Sequences.Slot(sequence) * sizes.Heads) + head) * size;
            float* initial = forward.Operands.InitialState, final = forward.FinalState + state;
            nint shared = ((nint)(chunks.FirstOf(sequence) + span.First - from) * sizes.Groups) + group;
            nint checkpoint = ((nint)chunks.FirstCheckpointOf(sequence) * sizes.Heads) + head;
            using ScratchSlots.Slot slot = scratch.Take();
            SsdChunked.In(slot.Memory, heads, chunks.Length, sizes.States, sizes.HeadDim).Run<TLanes>(
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
        }
    }
}
