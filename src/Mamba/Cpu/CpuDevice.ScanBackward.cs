using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    internal override void SelectiveScanBackward(in ScanOperation scan, in ScanOperation gradients)
    {
        (ScanInputs inputs, ScanSizes sizes, ScanInputs ofInputs) = (scan.Inputs, scan.Sizes, gradients.Inputs);
        using DeviceScope scope = Scope();
        ScanTiles tiles = new(sizes, ScanChannels);

        // Partial sums over the tokens of a sequence and over the channels of a tile; they are added below.
        (int sequences, int channels) = (sizes.Sequences.Count, sizes.Channels);
        DeviceArray carry = Allocate([sequences, sizes.StateRows, channels]);
        DeviceArray a = Allocate([sequences, sizes.StateRows, channels]);
        DeviceArray d = Allocate([sequences, channels]), deltaBias = Allocate([sequences, channels]);
        DeviceArray b = AllocatePartial(inputs.B, inputs.HasConstantB, sizes, tiles);
        DeviceArray c = AllocatePartial(inputs.C, inputs.HasConstantC, sizes, tiles);
        ScanGradientTile whole = new()
        {
            Y = RowsOf(gradients.Y),
            X = RowsOf(ofInputs.X),
            Delta = RowsOf(ofInputs.Delta),
            Z = RowsOf(ofInputs.Z),
            A = StatesOf(a, sizes),
            B = CouplingOf(b, inputs.HasConstantB, sizes),
            C = CouplingOf(c, inputs.HasConstantC, sizes),
            D = StartOf(d),
            DeltaBias = StartOf(deltaBias),
        };
        ScanTile tile = TileOf(inputs, sizes);
        Rows checkpoints = StatesOf(scan.Checkpoints, sizes), carries = StatesOf(carry, sizes);
        Rows gFinalState = StatesOf(gradients.FinalState, sizes);
        if (scan.Orders is { } orders)
        {
            OrderedTiles ordered = new(sizes, tiles, tile, VisitsOf(orders));
            ScratchSlots scratch = Slots(OrderedScan.BackwardSize(sizes.StateRows));
            RunScan(
                new OrderedBackwardScan(ordered, whole, checkpoints, gFinalState, carries, scratch),
                tiles.Count,
                inputs,
                sizes);
        }
        else
        {
            RunScan(
                new BackwardScan(sizes, tiles, tile, whole, checkpoints, gFinalState, carries),
                tiles.Count,
                inputs,
                sizes);
        }

        DeviceArray ofA = GradientOfA(inputs.IsALog, ofInputs.GivenA);
        AddSums(a, ofA);
        AddToLog(inputs.IsALog, inputs.GivenA, sizes.IsComplex, ofA, ofInputs.GivenA);
        AddSums(d, ofInputs.D);
        AddSums(deltaBias, ofInputs.DeltaBias);
        AddPartial(b, inputs.HasConstantB, ofInputs.B);
        AddPartial(c, inputs.HasConstantC, ofInputs.C);
        if (ofInputs.InitialState.Exists)
        {
            AddScaled(carry.Reshape(ofInputs.InitialState.Shape), 1f, ofInputs.InitialState);
        }
    }

    /// <summary>Partial sums of the gradient of B or C: one for each sequence, or for each tile of a group.</summary>
    private DeviceArray AllocatePartial(DeviceArray array, bool constant, in ScanSizes sizes, in ScanTiles tiles) =>
        constant
            ? Allocate([sizes.Sequences.Count, sizes.StateRows, sizes.Channels])
            : Allocate([tiles.BlocksPerGroup, sizes.Sequences.Tokens, array.Shape.Width]);

    private void AddPartial(DeviceArray partial, bool constant, DeviceArray target)
    {
        if (constant || !target.Exists)
        {
            AddSums(partial, target);
            return;
        }

        int tokens = partial.Shape[1];
        Run(
            new TokenSumsJob(RowsOf(partial), partial.Shape[0], tokens, partial.Shape.Width, RowsOf(target)),
            (tokens + TokenSumsJob.Tokens - 1) / TokenSumsJob.Tokens);
    }

    /// <summary>Adds the partial sums of all sequences to the gradient.</summary>
    private void AddSums(DeviceArray partial, DeviceArray target)
    {
        if (target.Exists)
        {
            int count = checked((int)target.Shape.Count);
            AddColumnSums(partial.Reshape([partial.Shape[0], count]), target.Reshape([count]));
        }
    }

    private readonly struct BackwardScan(
        ScanSizes sizes,
        ScanTiles tiles,
        ScanTile whole,
        ScanGradientTile gradients,
        Rows checkpoints,
        Rows gFinalState,
        Rows carries) : IScan
    {
        public void Run<TRecurrence>(int item)
            where TRecurrence : struct, SelectiveScan.IRecurrence
        {
            (int sequence, int group, _, int channel, int channels) = tiles[item];
            nint first = sizes.Sequences.Start(sequence), length = sizes.Sequences.Length(sequence);
            nint row = (nint)sequence * sizes.StateRows;
            Rows carry = carries.At(row, channel);
            Kernels.SelectiveScan.SetRows(carry, gFinalState.At(row, channel), sizes.StateRows, channels);
            ScanGradientTile own = gradients.At(first, channel) with
            {
                A = gradients.A.At(row, channel),
                B = Own(gradients.B, item),
                C = Own(gradients.C, item),
                D = gradients.D + ((nint)sequence * sizes.Channels) + channel,
                DeltaBias = gradients.DeltaBias + ((nint)sequence * sizes.Channels) + channel,
            };
            Kernels.SelectiveScan.Backward<TRecurrence>(
                Tile(whole, first, group, channel, channels),
                length,
                checkpoints.At(
                    sizes.FirstCheckpoint(sequence, Kernels.SelectiveScan.ChunkLength) * sizes.StateRows, channel),
                carry,
                own,
                sizes.StateRows);
        }

        /// <summary>A tile's partial sums of the gradient of B or C.</summary>
        private Coupling Own(in Coupling all, int item)
        {
            (int sequence, int group, int block, int channel, _) = tiles[item];
            nint token = ((nint)block * sizes.Sequences.Tokens) + sizes.Sequences.Start(sequence);
            return all.IsPerToken
                ? all.At(token, group * sizes.States, channel)
                : all.At(0, (nint)sequence * sizes.StateRows, channel);
        }
    }

    /// <summary>Adds the tiles of a group to the first of them, and that sum to the gradient.</summary>
    private readonly struct TokenSumsJob(Rows partial, int tiles, int tokens, int width, Rows target) : IJob
    {
        public const int Tokens = 128;

        public void Run(int item)
        {
            int first = item * Tokens, count = Math.Min(Tokens, tokens - first);
            for (nint tile = 1; tile < tiles; tile++)
            {
                Elementwise.AddScaled(partial[(tile * tokens) + first], 1f, partial[first], (nint)count * width);
            }

            for (int token = first; token < first + count; token++)
            {
                Elementwise.AddScaled(partial[token], 1f, target[token], width);
            }
        }
    }
}
