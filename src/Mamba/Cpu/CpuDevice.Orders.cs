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

    /// <summary>The order in which the tokens of each sequence are visited.</summary>
    /// <param name="positions">The token of each step; null: consecutive tokens.</param>
    /// <param name="isCounted">Whether each sequence has its own positions, counted through the batch.</param>
    /// <param name="isBackward">Whether the last token comes first; used if positions are null.</param>
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
