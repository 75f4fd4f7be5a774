using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;
using Mamba.Simd;

namespace Mamba.Cpu;

/// <content>
/// Scans in orders. An item is some channels of a sequence in all directions, one direction after the other, so that
/// one thread adds up y and the gradient of x.
/// </content>
public sealed unsafe partial class CpuDevice
{
    private void SelectiveScan(in ScanOperation scan, ScanOrder[] orders)
    {
        using DeviceScope scope = Scope();
        (ScanInputs inputs, ScanSizes sizes) = (scan.Inputs, scan.Sizes);
        ScanTiles tiles = new(sizes, ScanChannels);
        RunScan(
            new OrderedForwardScan(
                new(sizes, tiles, TileOf(inputs, sizes), VisitsOf(orders)),
                RowsOf(scan.Y),
                StatesOf(inputs.InitialState, sizes),
                StatesOf(scan.FinalState, sizes),
                StatesOf(scan.Checkpoints, sizes),
                Slots(OrderedScan.ForwardSize(sizes.StateRows))),
            tiles.Count,
            inputs,
            sizes);
    }

    /// <summary>The tiles of a scan in a given direction.</summary>
    private readonly struct OrderedTiles(ScanSizes sizes, ScanTiles tiles, ScanTile whole, VisitedTokens[] visits)
    {
        public ScanSizes Sizes => sizes;

        public (int Sequence, int Group, int Channel, int Channels) Of(int item, int direction)
        {
            (int sequence, int group, _, int channel, int channels) = tiles[item];
            return (
                sequence,
                (direction * (sizes.Groups / sizes.Directions)) + group,
                (direction * sizes.ChannelsOfX) + channel,
                channels);
        }

        /// <summary>An item's index among the tiles of its group.</summary>
        public int BlockOf(int item) => tiles[item].Block;

        /// <summary>The channel of x, z and y.</summary>
        public int ChannelOfX(int item) => tiles[item].Channel;

        /// <summary>The inputs from the sequence's first row on, and the order.</summary>
        public ScanTile Inputs(int item, int direction)
        {
            (int sequence, int group, int channel, int channels) = Of(item, direction);
            nint first = sizes.Sequences.Start(sequence);
            return Tile(whole, first, group, channel, channels) with
            {
                X = whole.X.At(first, ChannelOfX(item)),
                Z = whole.Z.At(first, ChannelOfX(item)),
                Order = visits[direction].Of(sizes.Sequences, sequence),
            };
        }

        /// <summary>The states that the backward pass starts from.</summary>
        public Rows Checkpoints(Rows all, int sequence, int channel) => all.At(
            sizes.FirstCheckpoint(sequence, Kernels.SelectiveScan.ChunkLength) * sizes.StateRows, channel);
    }

    private readonly struct OrderedForwardScan(
        OrderedTiles tiles, Rows y, Rows initialState, Rows states, Rows checkpoints, ScratchSlots scratch) : IScan
    {
        public void Run<TRecurrence>(int item)
            where TRecurrence : struct, SelectiveScan.IRecurrence
        {
            using ScratchSlots.Slot slot = scratch.Take();
            ScanSizes sizes = tiles.Sizes;
            for (int direction = 0; direction < sizes.Directions; direction++)
            {
                (int sequence, _, int channel, int channels) = tiles.Of(item, direction);
                nint row = (nint)sizes.Sequences.Slot(sequence) * sizes.StateRows;
                Rows state = states.At(row, channel);
                Kernels.SelectiveScan.SetRows(state, initialState.At(row, channel), sizes.StateRows, channels);
                OrderedScan.Forward<TRecurrence>(
                    tiles.Inputs(item, direction) with { Accumulates = direction > 0 },
                    sizes.Sequences.Length(sequence),
                    state,
                    y.At(sizes.Sequences.Start(sequence), tiles.ChannelOfX(item)),
                    tiles.Checkpoints(checkpoints, sequence, channel),
                    sizes.StateRows,
                    slot.Memory);
            }
        }
    }

    private readonly struct OrderedBackwardScan(
        OrderedTiles tiles,
        ScanGradientTile gradients,
        Rows checkpoints,
        Rows gFinalState,
        Rows carries,
        ScratchSlots scratch) : IScan
    {
        public void Run<TRecurrence>(int item)
            where TRecurrence : struct, SelectiveScan.IRecurrence
        {
            using ScratchSlots.Slot slot = scratch.Take();
            ScanSizes sizes = tiles.Sizes;
            for (int direction = 0; direction < sizes.Directions; direction++)
            {
                (int sequence, _, int channel, int channels) = tiles.Of(item, direction);
                nint row = (nint)sequence * sizes.StateRows;
                Rows carry = carries.At(row, channel);
                Kernels.SelectiveScan.SetRows(carry, gFinalState.At(row, channel), sizes.StateRows, channels);
                OrderedScan.Backward<TRecurrence>(
                    tiles.Inputs(item, direction),
                    sizes.Sequences.Length(sequence),
                    tiles.Checkpoints(checkpoints, sequence, channel),
                    carry,
                    Own(item, direction),
                    sizes.StateRows,
                    slot.Memory);
            }
        }

        /// <summary>A tile's own gradients in a direction, from the sequence's first row on.</summary>
        private ScanGradientTile Own(int item, int direction)
        {
            (int sequence, int group, int channel, _) = tiles.Of(item, direction);
            ScanSizes sizes = tiles.Sizes;
            nint first = sizes.Sequences.Start(sequence), row = (nint)sequence * sizes.StateRows;
            nint token = ((nint)tiles.BlockOf(item) * sizes.Sequences.Tokens) + first;
            nint ofSequence = ((nint)sequence * sizes.Channels) + channel;
            return new()
            {
                Y = gradients.Y.At(first, tiles.ChannelOfX(item)),
                X = gradients.X.At(first, tiles.ChannelOfX(item)),
                Delta = gradients.Delta.At(first, channel),
                Z = gradients.Z.At(first, tiles.ChannelOfX(item)),
                A = gradients.A.At(row, channel),
                B = Own(gradients.B, token, group * sizes.States, row, channel),
                C = Own(gradients.C, token, group * sizes.States, row, channel),
                D = gradients.D + ofSequence,
                DeltaBias = gradients.DeltaBias + ofSequence,
            };
        }

        private static Coupling Own(in Coupling all, nint token, int state, nint row, int channel) =>
            all.IsPerToken ? all.At(token, state, channel) : all.At(0, row, channel);
    }
}
