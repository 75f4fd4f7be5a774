using Mamba.Kernels;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    internal override bool TakesOrders => true;

    private VisitedTokens[] VisitsOf(ReadOnlySpan<ScanOrder> orders)
    {
        VisitedTokens[] visits = new VisitedTokens[orders.Length];
        for (int i = 0; i < visits.Length; i++)
        {
            visits[i] = VisitsOf(orders[i]);
        }

        return visits;
    }

    private VisitedTokens VisitsOf(ScanOrder order) => order.HasLength
        ? new(StartOf(IndicesOf(order).Positions), order.Samples > 1, isBackward: false)
        : new(null, isCounted: false, order == ScanOrder.Backward);

    /// <summary>The tokens that an order visits in each sequence.</summary>
    /// <param name="positions">The row of each step; null: one after the other.</param>
    /// <param name="isCounted">Whether positions are of each sequence its own, counted through the batch.</param>
    /// <param name="isBackward">Whether the last token comes first, if there are no positions.</param>
    private readonly struct VisitedTokens(int* positions, bool isCounted, bool isBackward)
    {
        public TokenOrder Of(in Sequences sequences, int sequence)
        {
            int start = sequences.Start(sequence), length = sequences.Length(sequence);
            return positions == null ? new(null, isBackward ? length - 1 : 0, isBackward)
                : isCounted ? new(positions + ((nint)sequence * length), -start, isBackward: false)
                : new(positions, 0, isBackward: false);
        }
    }
}
