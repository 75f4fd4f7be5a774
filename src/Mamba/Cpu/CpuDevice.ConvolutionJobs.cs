using Mamba.Kernels;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>The tokens of a batch in blocks. A block is split into pieces of one sequence each.</summary>
    private readonly struct TokenBlocks(Sequences sequences, int channels, int leastTokens)
    {
        private readonly int _tokens = Math.Max(leastTokens, 2 * ElementsPerItem / Math.Max(channels, 1));

        public Sequences Sequences => sequences;

        public int Count => (int)(((long)sequences.Tokens + _tokens - 1) / _tokens);

        public (int Token, int End) this[int item] =>
            (item * _tokens, (int)Math.Min(((long)item + 1) * _tokens, sequences.Tokens));

        /// <summary>The piece that starts at a token: its sequence, its first token there and its length.</summary>
        public (int Sequence, int Start, int Count) Piece(int token, int end)
        {
            // The last sequence that starts at or before the token; an empty one can only come before it.
            int low = 0, high = sequences.Count - 1;
            while (low < high)
            {
                int middle = (low + high + 1) >>> 1;
                (low, high) = sequences.Start(middle) <= token ? (middle, high) : (low, middle - 1);
            }

            int start = token - sequences.Start(low);
            return (low, start, Math.Min(end - token, sequences.Length(low) - start));
        }
    }

    private readonly struct ConvolutionJob<TActivation>(
        TokenBlocks blocks, Filter filter, Rows x, Rows window, Rows y) : IJob
        where TActivation : struct, IMap
    {
        public void Run(int item)
        {
            (int token, int end) = blocks[item];
            while (token < end)
            {
                (int sequence, int start, int count) = blocks.Piece(token, end);
                SequenceRows rows = RowsOfSequence(blocks.Sequences, sequence, filter, x, window);
                DepthwiseConvolution.Forward<TActivation>(filter, rows, start, count, y.At(token, 0));
                token += count;
            }
        }
    }

    /// <summary>Inputs, gradients and scratch of the backward pass; null if absent.</summary>
    private readonly record struct ConvolutionBackwardRows(
        Rows X, Rows Window, Rows Gy, Rows Gx, Rows Gwindow, Rows Sums, Rows Scratch)
    {
        /// <summary>An item's sums of the gradients of weights and bias, set to zero; null if absent.</summary>
        public Rows ClearSums(int item, Filter filter)
        {
            if (Sums.IsNull)
            {
                return default;
            }

            new Span<float>(Sums[item], (filter.Width + 1) * filter.Channels).Clear();
            return new(Sums[item], filter.Channels);
        }
    }

    private readonly struct ConvolutionBackwardJob<TActivation>(
        TokenBlocks blocks, Filter filter, ConvolutionBackwardRows rows) : IJob
        where TActivation : struct, IMap
    {
        public void Run(int item)
        {
            Rows sums = rows.ClearSums(item, filter);
            (int token, int end) = blocks[item];
            while (token < end)
            {
                (int sequence, int start, int count) = blocks.Piece(token, end);
                DepthwiseConvolution.Backward<TActivation>(
                    filter,
                    RowsOfSequence(blocks.Sequences, sequence, filter, rows.X, rows.Window),
                    start,
                    count,
                    rows.Gy.At(blocks.Sequences.Start(sequence), 0),
                    RowsOfSequence(blocks.Sequences, sequence, filter, rows.Gx, rows.Gwindow),
                    sums,
                    rows.Scratch[item]);
                token += count;
            }
        }
    }

    /// <summary>The same as <see cref="ConvolutionJob{TActivation}"/>, with blocks of steps of an order.</summary>
    private readonly struct OrderedConvolutionJob<TActivation>(
        TokenBlocks blocks, Filter filter, Rows x, Rows window, Rows y, VisitedTokens visits, ScratchSlots scratch)
        : IJob
        where TActivation : struct, IMap
    {
        public void Run(int item)
        {
            using ScratchSlots.Slot slot = scratch.Take();
            (int token, int end) = blocks[item];
            while (token < end)
            {
                (int sequence, int start, int count) = blocks.Piece(token, end);
                OrderedConvolution.Forward<TActivation>(
                    filter,
                    RowsOfSequence(blocks.Sequences, sequence, filter, x, window),
                    visits.Of(blocks.Sequences, sequence),
                    start,
                    count,
                    y.At(blocks.Sequences.Start(sequence), 0),
                    slot.Memory);
                token += count;
            }
        }
    }

    private readonly struct OrderedConvolutionBackwardJob<TActivation>(
        TokenBlocks blocks,
        Filter filter,
        ConvolutionBackwardRows rows,
        VisitedTokens visits,
        ScratchSlots scratch) : IJob
        where TActivation : struct, IMap
    {
        public void Run(int item)
        {
            using ScratchSlots.Slot slot = scratch.Take();
            Rows sums = rows.ClearSums(item, filter);
            (int token, int end) = blocks[item];
            while (token < end)
            {
                (int sequence, int start, int count) = blocks.Piece(token, end);
                OrderedConvolution.Backward<TActivation>(
                    filter,
                    RowsOfSequence(blocks.Sequences, sequence, filter, rows.X, rows.Window),
                    visits.Of(blocks.Sequences, sequence),
                    start,
                    count,
                    rows.Gy.At(blocks.Sequences.Start(sequence), 0),
                    RowsOfSequence(blocks.Sequences, sequence, filter, rows.Gx, rows.Gwindow),
                    sums,
                    slot.Memory);
                token += count;
            }
        }
    }

    private readonly struct WindowJob(
        Sequences sequences, Filter filter, Rows x, Rows window, Rows finalWindow, VisitedTokens visits) : IJob
    {
        public void Run(int item) =>
            DepthwiseConvolution.SlideWindow(
                filter,
                RowsOfSequence(sequences, item, filter, x, window),
                finalWindow.At((nint)sequences.Slot(item) * (filter.Width - 1), 0),
                visits.Of(sequences, item));
    }

    private readonly struct WindowBackwardJob(
        Sequences sequences, Filter filter, Rows gfinalWindow, Rows gx, Rows gwindow, VisitedTokens visits) : IJob
    {
        public void Run(int item) =>
            DepthwiseConvolution.SlideWindowBackward(
                filter,
                gfinalWindow.At((nint)item * (filter.Width - 1), 0),
                RowsOfSequence(sequences, item, filter, gx, gwindow),
                visits.Of(sequences, item));
    }

    private static SequenceRows RowsOfSequence(
        Sequences sequences, int sequence, Filter filter, Rows tokens, Rows window) =>
        new(
            tokens.At(sequences.Start(sequence), 0),
            sequences.Length(sequence),
            window.At((nint)sequences.Slot(sequence) * (filter.Width - 1), 0));
}
