using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

internal static unsafe partial class SelectiveScan
{
    /// <summary>The rows that the steps of a scan read and write.</summary>
    internal interface IVisit
    {
        /// <summary>The row of x, Δ, z, y and their gradients at a step.</summary>
        static abstract nint Row(in ScanTile tile, nint t);

        /// <summary>The same tile from a step and a channel on; below, the same for gradients and rows.</summary>
        static abstract ScanTile At(in ScanTile tile, nint step, int channel);

        static abstract ScanGradientTile At(in ScanGradientTile gradients, nint step, int channel);

        static abstract Rows At(Rows rows, nint step, int channel);

        /// <summary>The value to store as y.</summary>
        static abstract TLanes Output<TLanes>(in ScanTile tile, TLanes value, float* y)
            where TLanes : struct, ILanes<TLanes>;
    }

    /// <summary>Consecutive tokens.</summary>
    internal readonly struct InOrder : IVisit
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static nint Row(in ScanTile tile, nint t) => t;

        public static ScanTile At(in ScanTile tile, nint step, int channel) => tile.At(step, channel);

        public static ScanGradientTile At(in ScanGradientTile gradients, nint step, int channel) =>
            gradients.At(step, channel);

        public static Rows At(Rows rows, nint step, int channel) => rows.At(step, channel);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TLanes Output<TLanes>(in ScanTile tile, TLanes value, float* y)
            where TLanes : struct, ILanes<TLanes> => value;
    }

    /// <summary>
    /// Tokens in the tile's order. Their rows are read in place; those of B and C are copies of a chunk, in the order
    /// of the steps.
    /// </summary>
    internal readonly struct Visited : IVisit
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static nint Row(in ScanTile tile, nint t) => tile.Order[t];

        public static ScanTile At(in ScanTile tile, nint step, int channel) =>
            tile.At(0, channel) with { Order = tile.Order.From(step) };

        public static ScanGradientTile At(in ScanGradientTile gradients, nint step, int channel) =>
            gradients.At(0, channel);

        public static Rows At(Rows rows, nint step, int channel) => rows.At(0, channel);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TLanes Output<TLanes>(in ScanTile tile, TLanes value, float* y)
            where TLanes : struct, ILanes<TLanes> => tile.Accumulates ? TLanes.Load(y) + value : value;
    }
}
