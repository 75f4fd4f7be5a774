using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

internal static unsafe partial class SelectiveScan
{
    /// <summary>Goes back through a sequence, chunk by chunk from the last.</summary>
    /// <param name="tile">The inputs from the first token on.</param>
    /// <param name="length">Number of tokens.</param>
    /// <param name="checkpoints">h before every chunk.</param>
    /// <param name="carry">The gradient of h after the last token; becomes that of h before the first.</param>
    /// <param name="gradients">
    /// The other gradients from the first token on: x, Δ and z are added to, the rest is this tile's own and is set.
    /// </param>
    /// <param name="stateRows">Rows of h: twice as many as states where they are complex.</param>
    [SkipLocalsInit]
    public static void Backward<TRecurrence>(
        in ScanTile tile, nint length, Rows checkpoints, Rows carry, in ScanGradientTile gradients, int stateRows)
        where TRecurrence : struct, IRecurrence
    {
        SetRows(gradients.A, default, stateRows, tile.Channels);
        gradients.B.Clear(length, tile.Channels, stateRows);
        gradients.C.Clear(length, tile.Channels, stateRows);
        new Span<float>(gradients.D, tile.Channels).Clear();
        new Span<float>(gradients.DeltaBias, tile.Channels).Clear();
        float* memory = stackalloc float[ScanChunk.BackwardSize];
        for (nint start = (length - 1) / ChunkLength * ChunkLength; start >= 0 && length > 0; start -= ChunkLength)
        {
            ScanChunk chunk = new(memory, (int)Math.Min(ChunkLength, length - start));
            Rows state = checkpoints.At(start / ChunkLength * stateRows, 0);
            int column = 0;
            if (Width.Has512)
            {
                column = Backward<TRecurrence, Lanes512>(tile, chunk, start, state, carry, gradients, column);
            }

            if (Width.Has256)
            {
                column = Backward<TRecurrence, Lanes256>(tile, chunk, start, state, carry, gradients, column);
            }

            if (Width.Has128)
            {
                column = Backward<TRecurrence, Lanes128>(tile, chunk, start, state, carry, gradients, column);
            }

            Backward<TRecurrence, Lane>(tile, chunk, start, state, carry, gradients, column);
        }
    }

    private static int Backward<TRecurrence, TLanes>(
        in ScanTile tile,
        in ScanChunk chunk,
        nint start,
        Rows state,
        Rows carry,
        in ScanGradientTile gradients,
        int column)
        where TRecurrence : struct, IRecurrence
        where TLanes : struct, ILanes<TLanes>
    {
        for (; column <= tile.Channels - TLanes.Count; column += TLanes.Count)
        {
            ScanTile lanes = tile.At(start, column);
            ScanGradientTile laneGradients = gradients.At(start, column);
            (nint tokens, int channels) = WayToNext<TLanes>(tile, column, -ChunkLength);
            ScanGradientTile next = laneGradients.At(tokens, channels);
            PrepareBackward<TLanes>(lanes, lanes.At(tokens, channels), chunk, laneGradients, next);
            TRecurrence.Backward<TLanes>(lanes, chunk, state.At(0, column), carry.At(0, column), laneGradients);
            FinishBackward<TLanes>(lanes, chunk, laneGradients, next);
        }

        return column;
    }

    /// <summary>
    /// All that the inputs give: Δ, Δ·x and D·x, the gradient of y before the gate, and what gradients are multiplied
    /// by in the end. So rows, which stand far apart, are read once. The gradients of Δ·x and Δ start at 0.
    /// </summary>
    private static void PrepareBackward<TLanes>(
        in ScanTile tile,
        in ScanTile next,
        in ScanChunk chunk,
        in ScanGradientTile gradients,
        in ScanGradientTile nextGradients)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes zero = TLanes.Broadcast(0f), one = TLanes.Broadcast(1f);
        TLanes bias = LoadOrZero<TLanes>(tile.DeltaBias), d = LoadOrZero<TLanes>(tile.D);
        for (int t = 0; t < chunk.Length; t++)
        {
            Prefetch(next.X[t]);
            Prefetch(next.Delta[t]);
            Prefetch(next.Z[t]);
            Prefetch(nextGradients.Y[t]);
            TLanes x = TLanes.Load(tile.X[t]), delta = TLanes.Load(tile.Delta[t]) + bias, slope = one;
            if (tile.Softplus)
            {
                (delta, slope) = LaneMath.SoftplusAndSlope(delta);
            }

            TLanes gy = gradients.Y.IsNull ? zero : TLanes.Load(gradients.Y[t]), gate = zero;
            if (!tile.Z.IsNull)
            {
                (TLanes silu, TLanes siluSlope) = Elementwise.Silu.ValueAndSlope(TLanes.Load(tile.Z[t]));
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

    /// <summary>From the gradients of Δ·x, of Δ and of y to those of x, Δ, z, D and the bias.</summary>
    private static void FinishBackward<TLanes>(
        in ScanTile tile, in ScanChunk chunk, in ScanGradientTile gradients, in ScanGradientTile next)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes d = LoadOrZero<TLanes>(tile.D);
        TLanes gd = TLanes.Load(gradients.D), gbias = TLanes.Load(gradients.DeltaBias);
        for (int t = chunk.Length - 1; t >= 0; t--)
        {
            Prefetch(next.X[t]);
            Prefetch(next.Delta[t]);
            Prefetch(next.Z[t]);
            int i = t * TLanes.Count;
            TLanes x = TLanes.Load(chunk.X + i), delta = TLanes.Load(chunk.Delta + i);
            TLanes gy = TLanes.Load(chunk.GradientOfOutput + i), gInput = TLanes.Load(chunk.GradientOfInput + i);
            TLanes gDelta = TLanes.MultiplyAdd(x, gInput, TLanes.Load(chunk.GradientOfDelta + i));
            gDelta *= TLanes.Load(chunk.SlopeOfDelta + i);
            gd = TLanes.MultiplyAdd(gy, x, gd);
            gbias += gDelta;
            AddTo(gradients.Delta, t, gDelta);
            AddTo(gradients.X, t, TLanes.MultiplyAdd(delta, gInput, d * gy));
            AddTo(gradients.Z, t, TLanes.Load(chunk.SlopeOfGate + i) * TLanes.Load(chunk.Output + i));
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
