using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

internal static unsafe partial class SelectiveScan
{
    /// <summary>Computes the gradients of a sequence, from the last chunk to the first.</summary>
    /// <param name="tile">The inputs from the first token on.</param>
    /// <param name="length">Number of tokens.</param>
    /// <param name="checkpoints">h before every chunk.</param>
    /// <param name="carry">The gradient of h after the last token; becomes that of h before the first.</param>
    /// <param name="gradients">
    /// The other gradients from the first token on. Those of x, Δ and z are added to; the rest belong to this tile
    /// and are set.
    /// </param>
    /// <param name="stateRows">Rows of h: the number of states, or twice that if they are complex.</param>
    [SkipLocalsInit]
    public static void Backward<TRecurrence>(
        in ScanTile tile, nint length, Rows checkpoints, Rows carry, in ScanGradientTile gradients, int stateRows)
        where TRecurrence : struct, IRecurrence
    {
        ClearSums(gradients, tile.Channels, stateRows);
        gradients.B.Clear(length, tile.Channels, stateRows);
        gradients.C.Clear(length, tile.Channels, stateRows);
        float* memory = stackalloc float[ScanChunk.BackwardSize];
        for (nint start = (length - 1) / ChunkLength * ChunkLength; start >= 0 && length > 0; start -= ChunkLength)
        {
            ScanChunk chunk = new(memory, (int)Math.Min(ChunkLength, length - start));
            Rows state = checkpoints.At(start / ChunkLength * stateRows, 0);
            BackwardChunk<TRecurrence, InOrder>(tile, chunk, start, -ChunkLength, state, carry, gradients);
        }
    }

    /// <summary>Clears the gradients that are summed over tokens, except B and C.</summary>
    public static void ClearSums(in ScanGradientTile gradients, int channels, int stateRows)
    {
        SetRows(gradients.A, default, stateRows, channels);
        new Span<float>(gradients.D, channels).Clear();
        new Span<float>(gradients.DeltaBias, channels).Clear();
    }

    /// <summary>Computes the gradients of a chunk.</summary>
    /// <param name="tile">The inputs from the first token on.</param>
    /// <param name="chunk">Scratch memory of the chunk.</param>
    /// <param name="start">First step of the chunk.</param>
    /// <param name="next">Steps to the chunk that is computed next, negative; 0: none.</param>
    /// <param name="state">h before the chunk.</param>
    /// <param name="carry">The gradient of h after the chunk; becomes that of h before it.</param>
    /// <param name="gradients">The other gradients from the first token on; added to.</param>
    public static void BackwardChunk<TRecurrence, TVisit>(
        in ScanTile tile,
        in ScanChunk chunk,
        nint start,
        int next,
        Rows state,
        Rows carry,
        in ScanGradientTile gradients)
        where TRecurrence : struct, IRecurrence
        where TVisit : struct, IVisit
    {
        int column = 0;
        if (Width.Has512)
        {
            column = Backward<TRecurrence, TVisit, Lanes512>(
                tile, chunk, start, next, state, carry, gradients, column);
        }

        if (Width.Has256)
        {
            column = Backward<TRecurrence, TVisit, Lanes256>(
                tile, chunk, start, next, state, carry, gradients, column);
        }

        if (Width.Has128)
        {
            column = Backward<TRecurrence, TVisit, Lanes128>(
                tile, chunk, start, next, state, carry, gradients, column);
        }

        Backward<TRecurrence, TVisit, Lane>(tile, chunk, start, next, state, carry, gradients, column);
    }

    private static int Backward<TRecurrence, TVisit, TLanes>(
        in ScanTile tile,
        in ScanChunk chunk,
        nint start,
        int nextChunk,
        Rows state,
        Rows carry,
        in ScanGradientTile gradients,
        int column)
        where TRecurrence : struct, IRecurrence
        where TVisit : struct, IVisit
        where TLanes : struct, ILanes<TLanes>
    {
        for (; column <= tile.Channels - TLanes.Count; column += TLanes.Count)
        {
            ScanTile lanes = TVisit.At(tile, start, column);
            ScanGradientTile laneGradients = TVisit.At(gradients, start, column);
            (nint tokens, int channels) = WayToNext<TLanes>(tile, column, nextChunk);
            ScanTile next = TVisit.At(lanes, tokens, channels);
            ScanGradientTile nextGradients = TVisit.At(laneGradients, tokens, channels);
            PrepareBackward<TVisit, TLanes>(lanes, next, chunk, laneGradients, nextGradients);
            TRecurrence.Backward<TLanes>(lanes, chunk, state.At(0, column), carry.At(0, column), laneGradients);
            FinishBackward<TVisit, TLanes>(lanes, next, chunk, laneGradients, nextGradients);
        }

        return column;
    }

    /// <summary>
    /// Computes everything that depends on the inputs alone: Δ, Δ·x and D·x, the gradient of y before the gate, and
    /// the final factors of the gradients. So each row, far apart from the next, is read once. The gradients of Δ·x
    /// and Δ start at 0.
    /// </summary>
    private static void PrepareBackward<TVisit, TLanes>(
        in ScanTile tile,
        in ScanTile next,
        in ScanChunk chunk,
        in ScanGradientTile gradients,
        in ScanGradientTile nextGradients)
        where TVisit : struct, IVisit
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes zero = TLanes.Broadcast(0f), one = TLanes.Broadcast(1f);
        TLanes bias = LoadOrZero<TLanes>(tile.DeltaBias), d = LoadOrZero<TLanes>(tile.D);
        for (int t = 0; t < chunk.Length; t++)
        {
            nint row = TVisit.Row(tile, t), nextRow = TVisit.Row(next, t);
            Prefetch(next.X[nextRow]);
            Prefetch(next.Delta[nextRow]);
            Prefetch(next.Z[nextRow]);
            Prefetch(nextGradients.Y[nextRow]);
            TLanes x = TLanes.Load(tile.X[row]), delta = TLanes.Load(tile.Delta[row]) + bias, slope = one;
            if (tile.Softplus)
            {
                (delta, slope) = LaneMath.SoftplusAndSlope(delta);
            }

            TLanes gy = gradients.Y.IsNull ? zero : TLanes.Load(gradients.Y[row]), gate = zero;
            if (!tile.Z.IsNull)
            {
                (TLanes silu, TLanes siluSlope) = Elementwise.Silu.ValueAndSlope(TLanes.Load(tile.Z[row]));
                (gy, gate) = (gy * silu, gy * siluSlope);
            }

            int i = t * TLanes.Count;
            TLanes.Store(delta, chunk.Delta + i);
            TLanes.Store(delta * x, chunk.Input + i);
            TLanes.Store(d * x, chunk.Output + i);
            TLanes.Store(gy, chunk.GradientOfOutput + i);
            TLanes.Store(zero, chunk.GradientOfInput + i);
            TLanes.Store(zero, chunk.GradientOfDelta + i);
            TLanes.Store(x, chunk.X + i);
            TLanes.Store(slope, chunk.SlopeOfDelta + i);
            TLanes.Store(gate, chunk.SlopeOfGate + i);
        }
    }

    /// <summary>Computes the gradients of x, Δ, z, D and the bias from those of Δ·x, Δ and y.</summary>
    private static void FinishBackward<TVisit, TLanes>(
        in ScanTile tile,
        in ScanTile next,
        in ScanChunk chunk,
        in ScanGradientTile gradients,
        in ScanGradientTile nextGradients)
        where TVisit : struct, IVisit
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes d = LoadOrZero<TLanes>(tile.D);
        TLanes gd = TLanes.Load(gradients.D), gbias = TLanes.Load(gradients.DeltaBias);
        for (int t = chunk.Length - 1; t >= 0; t--)
        {
            nint row = TVisit.Row(tile, t), nextRow = TVisit.Row(next, t);
            Prefetch(nextGradients.X[nextRow]);
            Prefetch(nextGradients.Delta[nextRow]);
            Prefetch(nextGradients.Z[nextRow]);
            int i = t * TLanes.Count;
            TLanes x = TLanes.Load(chunk.X + i), delta = TLanes.Load(chunk.Delta + i);
            TLanes gy = TLanes.Load(chunk.GradientOfOutput + i), gInput = TLanes.Load(chunk.GradientOfInput + i);
            TLanes gDelta = TLanes.MultiplyAdd(x, gInput, TLanes.Load(chunk.GradientOfDelta + i));
            gDelta *= TLanes.Load(chunk.SlopeOfDelta + i);
            gd = TLanes.MultiplyAdd(gy, x, gd);
            gbias += gDelta;
            AddTo(gradients.Delta, row, gDelta);
            AddTo(gradients.X, row, TLanes.MultiplyAdd(delta, gInput, d * gy));
            AddTo(gradients.Z, row, TLanes.Load(chunk.SlopeOfGate + i) * TLanes.Load(chunk.Output + i));
        }

        TLanes.Store(gd, gradients.D);
        TLanes.Store(gbias, gradients.DeltaBias);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddTo<TLanes>(Rows target, nint row, TLanes value)
        where TLanes : struct, ILanes<TLanes>
    {
        if (!target.IsNull)
        {
            TLanes.Store(TLanes.Load(target[row]) + value, target[row]);
        }
    }
}
