using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// The selective scan of a sequence whose tokens are visited in an order. All arrays keep the order of the tokens.
/// </summary>
/// <remarks>
/// The kernel of <see cref="SelectiveScan"/> reads and writes rows by index. The recurrence reads B and C once for
/// every register of channels, so only they are gathered into scratch memory, chunk by chunk.
/// </remarks>
internal static unsafe class OrderedScan
{
    private const int ChunkLength = SelectiveScan.ChunkLength;

    /// <summary>Floats of scratch memory for <see cref="Forward"/>: B and C of a chunk.</summary>
    public static int ForwardSize(int stateRows) => 2 * ChunkLength * stateRows;

    /// <summary>Floats of scratch memory for <see cref="Backward"/>: B, C and their gradients.</summary>
    public static int BackwardSize(int stateRows) => 4 * ChunkLength * stateRows;

    /// <summary>Scans a sequence.</summary>
    /// <param name="tile">The inputs, from the sequence's first row on, and the order.</param>
    /// <param name="length">Number of steps.</param>
    /// <param name="state">h, a row for each state; read and written.</param>
    /// <param name="y">The output, a row for each token.</param>
    /// <param name="checkpoints">Receives h before every chunk, in sequence; optional.</param>
    /// <param name="stateRows">Rows of h.</param>
    /// <param name="scratch"><see cref="ForwardSize"/> floats.</param>
    [SkipLocalsInit]
    public static void Forward<TRecurrence>(
        in ScanTile tile, nint length, Rows state, Rows y, Rows checkpoints, int stateRows, float* scratch)
        where TRecurrence : struct, SelectiveScan.IRecurrence
    {
        float* memory = stackalloc float[ScanChunk.ForwardSize];
        for (nint start = 0; start < length; start += ChunkLength)
        {
            if (!checkpoints.IsNull)
            {
                SelectiveScan.SetRows(
                    checkpoints.At(start / ChunkLength * stateRows, 0), state, stateRows, tile.Channels);
            }

            int count = (int)Math.Min(ChunkLength, length - start);
            int next = start + (2 * ChunkLength) <= length ? ChunkLength : 0; // no positions past the sequence
            SelectiveScan.ForwardChunk<TRecurrence, SelectiveScan.Visited>(
                Fetch(tile, start, count, stateRows, scratch), new(memory, count), start, next, state, y);
        }
    }

    /// <summary>Computes the gradients of a sequence, from the last chunk to the first.</summary>
    /// <param name="tile">The inputs, from the sequence's first row on, and the order.</param>
    /// <param name="length">Number of steps.</param>
    /// <param name="checkpoints">h before every chunk.</param>
    /// <param name="carry">The gradient of h after the last step; becomes that of h before the first.</param>
    /// <param name="gradients">
    /// The other gradients, from the sequence's first row on. Those of x, Δ and z are added to; the rest belong to
    /// this tile and are set.
    /// </param>
    /// <param name="stateRows">Rows of h.</param>
    /// <param name="scratch"><see cref="BackwardSize"/> floats.</param>
    [SkipLocalsInit]
    public static void Backward<TRecurrence>(
        in ScanTile tile,
        nint length,
        Rows checkpoints,
        Rows carry,
        in ScanGradientTile gradients,
        int stateRows,
        float* scratch)
        where TRecurrence : struct, SelectiveScan.IRecurrence
    {
        SelectiveScan.ClearSums(gradients, tile.Channels, stateRows);
        ClearConstant(gradients.B, tile.Channels, stateRows);
        ClearConstant(gradients.C, tile.Channels, stateRows);
        float* memory = stackalloc float[ScanChunk.BackwardSize], zeros = scratch + ForwardSize(stateRows);
        ScanGradientTile own = gradients with
        {
            B = InScratch(gradients.B, stateRows, zeros),
            C = InScratch(gradients.C, stateRows, zeros + (ChunkLength * stateRows)),
        };
        for (nint start = (length - 1) / ChunkLength * ChunkLength; start >= 0 && length > 0; start -= ChunkLength)
        {
            int count = (int)Math.Min(ChunkLength, length - start);
            new Span<float>(zeros, 2 * ChunkLength * stateRows).Clear();
            SelectiveScan.BackwardChunk<TRecurrence, SelectiveScan.Visited>(
                Fetch(tile, start, count, stateRows, scratch),
                new(memory, count),
                start,
                start > 0 ? -ChunkLength : 0,
                checkpoints.At(start / ChunkLength * stateRows, 0),
                carry,
                own);
            Put(own.B, tile.Order, start, count, stateRows, gradients.B);
            Put(own.C, tile.Order, start, count, stateRows, gradients.C);
        }
    }

    /// <summary>The inputs, with B and C of a chunk in scratch memory.</summary>
    private static ScanTile Fetch(in ScanTile tile, nint start, int count, int stateRows, float* scratch)
    {
        ScanTile chunk = tile with
        {
            B = InScratch(tile.B, stateRows, scratch),
            C = InScratch(tile.C, stateRows, scratch + (ChunkLength * stateRows)),
        };
        if (tile.B.IsPerToken)
        {
            TokenRows.Gather(tile.B.Tokens, tile.Order, start, count, stateRows, chunk.B.Tokens);
        }

        if (tile.C.IsPerToken)
        {
            TokenRows.Gather(tile.C.Tokens, tile.Order, start, count, stateRows, chunk.C.Tokens);
        }

        return chunk;
    }

    /// <summary>B or C of a chunk; a B or C that is constant over tokens is used in place.</summary>
    private static Coupling InScratch(in Coupling all, int stateRows, float* scratch) =>
        all.IsPerToken ? new(new Rows(scratch, stateRows), (int)all.StatePitch) : all;

    private static void ClearConstant(in Coupling gradient, int channels, int stateRows)
    {
        if (!gradient.IsPerToken)
        {
            gradient.Clear(0, channels, stateRows);
        }
    }

    private static void Put(
        in Coupling source, TokenOrder order, nint start, int count, int stateRows, in Coupling target)
    {
        if (target.IsPerToken)
        {
            TokenRows.Put(source.Tokens, order, start, count, stateRows, target.Tokens);
        }
    }
}
