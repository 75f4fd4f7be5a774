using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// The selective scan: <c>h_t = exp(Δ_t·A)·h_{t-1} + Δ_t·B_t·x_t</c>, <c>y_t = C_t·h_t + D·x_t</c>, gated by silu(z).
/// </summary>
/// <remarks>
/// Lanes hold channels. A chunk of tokens is computed one register of channels at a time. First Δ and Δ·x of every
/// token are stored in scratch memory. Then a few states at a time run over the tokens in registers and add to y. Then
/// y is gated. So the recurrence itself stays in L1 and needs only multiplications and exp2.
/// </remarks>
internal static unsafe partial class SelectiveScan
{
    /// <summary>
    /// Tokens of a chunk. The backward pass recomputes the states of a chunk from the checkpoint before it. Longer
    /// chunks need fewer checkpoints, but then the states exceed the cache; 32 and 16 tokens were slower.
    /// </summary>
    public const int ChunkLength = 64;

    private const float Log2E = 1.44269504f;

    /// <summary>The recurrence over the tokens of a chunk, with real or complex states.</summary>
    internal interface IRecurrence
    {
        /// <summary>Advances the states and adds C·h to y.</summary>
        static abstract void Forward<TLanes>(in ScanTile tile, in ScanChunk chunk, Rows state)
            where TLanes : struct, ILanes<TLanes>;

        /// <summary>Recomputes the states of the chunk, then their gradients from last to first.</summary>
        static abstract void Backward<TLanes>(
            in ScanTile tile, in ScanChunk chunk, Rows state, Rows carry, in ScanGradientTile gradients)
            where TLanes : struct, ILanes<TLanes>;
    }

    /// <summary>Scans a sequence.</summary>
    /// <param name="tile">The inputs from the first token on.</param>
    /// <param name="length">Number of tokens.</param>
    /// <param name="state">h, a row for each state; read and written.</param>
    /// <param name="y">The output, a row for each token.</param>
    /// <param name="checkpoints">Receives h before every chunk, in sequence; optional.</param>
    /// <param name="stateRows">Rows of h: the number of states, or twice that if they are complex.</param>
    [SkipLocalsInit]
    public static void Forward<TRecurrence>(
        in ScanTile tile, nint length, Rows state, Rows y, Rows checkpoints, int stateRows)
        where TRecurrence : struct, IRecurrence
    {
        float* memory = stackalloc float[ScanChunk.ForwardSize];
        for (nint start = 0; start < length; start += ChunkLength)
        {
            if (!checkpoints.IsNull)
            {
                SetRows(checkpoints.At(start / ChunkLength * stateRows, 0), state, stateRows, tile.Channels);
            }

            ScanChunk chunk = new(memory, (int)Math.Min(ChunkLength, length - start));
            ForwardChunk<TRecurrence, InOrder>(tile, chunk, start, ChunkLength, state, y);
        }
    }

    /// <summary>Scans a chunk.</summary>
    /// <param name="tile">The inputs from the sequence's first token on.</param>
    /// <param name="chunk">Scratch memory of the chunk.</param>
    /// <param name="start">First step of the chunk.</param>
    /// <param name="next">Steps to the chunk that is scanned next; 0: none.</param>
    /// <param name="state">h, read and written.</param>
    /// <param name="y">The output from the sequence's first token on.</param>
    public static void ForwardChunk<TRecurrence, TVisit>(
        in ScanTile tile, in ScanChunk chunk, nint start, int next, Rows state, Rows y)
        where TRecurrence : struct, IRecurrence
        where TVisit : struct, IVisit
    {
        int column = 0;
        if (Width.Has512)
        {
            column = Forward<TRecurrence, TVisit, Lanes512>(tile, chunk, start, next, state, y, column);
        }

        if (Width.Has256)
        {
            column = Forward<TRecurrence, TVisit, Lanes256>(tile, chunk, start, next, state, y, column);
        }

        if (Width.Has128)
        {
            column = Forward<TRecurrence, TVisit, Lanes128>(tile, chunk, start, next, state, y, column);
        }

        Forward<TRecurrence, TVisit, Lane>(tile, chunk, start, next, state, y, column);
    }

    /// <summary>Copies rows, possibly onto themselves; clears them if the source is null.</summary>
    public static void SetRows(Rows target, Rows source, int rows, int width)
    {
        for (int row = 0; row < rows && target.Origin != source.Origin; row++)
        {
            Span<float> values = new(target[row], width);
            if (source.IsNull)
            {
                values.Clear();
            }
            else
            {
                new ReadOnlySpan<float>(source[row], width).CopyTo(values);
            }
        }
    }

    private static int Forward<TRecurrence, TVisit, TLanes>(
        in ScanTile tile, in ScanChunk chunk, nint start, int nextChunk, Rows state, Rows y, int column)
        where TRecurrence : struct, IRecurrence
        where TVisit : struct, IVisit
        where TLanes : struct, ILanes<TLanes>
    {
        for (; column <= tile.Channels - TLanes.Count; column += TLanes.Count)
        {
            ScanTile lanes = TVisit.At(tile, start, column);
            (nint tokens, int channels) = WayToNext<TLanes>(tile, column, nextChunk);
            ScanTile next = TVisit.At(lanes, tokens, channels);
            Rows target = TVisit.At(y, start, column);
            Prepare<TVisit, TLanes>(lanes, next, chunk);
            TRecurrence.Forward<TLanes>(lanes, chunk, state.At(0, column));
            Finish<TVisit, TLanes>(lanes, next, chunk, target, TVisit.At(target, tokens, channels));
        }

        return column;
    }

    /// <summary>
    /// The distance to the next register of channels: in the same row, or <paramref name="chunk"/> tokens away in the
    /// next chunk. Rows are too far apart for the hardware prefetcher, so one register of them is prefetched during the
    /// recurrence of another.
    /// </summary>
    private static (nint Tokens, int Channels) WayToNext<TLanes>(in ScanTile tile, int column, int chunk)
        where TLanes : struct, ILanes<TLanes> =>
        column + TLanes.Count < tile.Channels ? (0, TLanes.Count) : (chunk, -column);

    /// <summary>Computes Δ, Δ·x and D·x of every token.</summary>
    private static void Prepare<TVisit, TLanes>(in ScanTile tile, in ScanTile next, in ScanChunk chunk)
        where TVisit : struct, IVisit
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes bias = LoadOrZero<TLanes>(tile.DeltaBias), d = LoadOrZero<TLanes>(tile.D);
        for (int t = 0; t < chunk.Length; t++)
        {
            nint row = TVisit.Row(tile, t), nextRow = TVisit.Row(next, t);
            Prefetch(next.X[nextRow]);
            Prefetch(next.Delta[nextRow]);
            TLanes x = TLanes.Load(tile.X[row]), delta = TLanes.Load(tile.Delta[row]) + bias;
            if (tile.Softplus)
            {
                delta = LaneMath.Softplus(delta);
            }

            int i = t * TLanes.Count;
            TLanes.Store(delta, chunk.Delta + i);
            TLanes.Store(delta * x, chunk.Input + i);
            TLanes.Store(d * x, chunk.Output + i);
        }
    }

    /// <summary>Applies the gate.</summary>
    private static void Finish<TVisit, TLanes>(
        in ScanTile tile, in ScanTile next, in ScanChunk chunk, Rows y, Rows nextY)
        where TVisit : struct, IVisit
        where TLanes : struct, ILanes<TLanes>
    {
        for (int t = 0; t < chunk.Length; t++)
        {
            nint row = TVisit.Row(tile, t), nextRow = TVisit.Row(next, t);
            TLanes value = TLanes.Load(chunk.Output + (t * TLanes.Count));
            if (!tile.Z.IsNull)
            {
                Prefetch(next.Z[nextRow]);
                TLanes z = TLanes.Load(tile.Z[row]);
                value *= z * LaneMath.Sigmoid(z);
            }

            Prefetch(nextY[nextRow]);
            TLanes.Store(TVisit.Output(tile, value, y[row]), y[row]);
        }
    }

    private static TLanes LoadOrZero<TLanes>(float* source)
        where TLanes : struct, ILanes<TLanes> => source == null ? TLanes.Broadcast(0f) : TLanes.Load(source);

    /// <summary>Prefetches memory; any address is allowed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(float* address)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch1(address);
        }
    }
}
