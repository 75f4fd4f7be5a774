using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>Channels of a tile: four cache lines of every row, and enough tiles for many threads.</summary>
    private const int ScanChannels = 64;

    /// <summary>Channels of a tile of a single token: some microseconds of work.</summary>
    private const int StepChannels = 256;

    /// <summary>The computation of a tile, for every kind of states, B and C.</summary>
    private interface IScan
    {
        void Run<TRecurrence>(int item)
            where TRecurrence : struct, SelectiveScan.IRecurrence;
    }

    internal override int ScanChunkLength => Kernels.SelectiveScan.ChunkLength;

    internal override void SelectiveScan(in ScanOperation scan)
    {
        if (scan.Orders is { } orders)
        {
            SelectiveScan(scan, orders);
            return;
        }

        (ScanInputs inputs, ScanSizes sizes) = (scan.Inputs, scan.Sizes);
        ScanTiles tiles = new(sizes, inputs.X.Shape[1] == 1 ? StepChannels : ScanChannels);
        RunScan(
            new ForwardScan(
                sizes,
                tiles,
                TileOf(inputs, sizes),
                RowsOf(scan.Y),
                StatesOf(inputs.InitialState, sizes),
                StatesOf(scan.FinalState, sizes),
                StatesOf(scan.Checkpoints, sizes)),
            tiles.Count,
            inputs,
            sizes);
    }

    private void RunScan<TScan>(in TScan scan, int items, in ScanInputs inputs, in ScanSizes sizes)
        where TScan : struct, IScan
    {
        switch (inputs.HasConstantB, inputs.HasConstantC)
        {
            case (false, false):
                RunScan<TScan, PerToken, PerToken>(scan, items, sizes);
                break;
            case (false, true):
                RunScan<TScan, PerToken, PerChannel>(scan, items, sizes);
                break;
            case (true, false):
                RunScan<TScan, PerChannel, PerToken>(scan, items, sizes);
                break;
            case (true, true):
                RunScan<TScan, PerChannel, PerChannel>(scan, items, sizes);
                break;
        }
    }

    private void RunScan<TScan, TB, TC>(in TScan scan, int items, in ScanSizes sizes)
        where TScan : struct, IScan
        where TB : struct, ICoupling
        where TC : struct, ICoupling
    {
        if (sizes.IsComplex)
        {
            Run(new ScanJob<TScan, SelectiveScan.Complex<TB, TC>>(scan), items);
        }
        else
        {
            Run(new ScanJob<TScan, SelectiveScan.Real<TB, TC>>(scan), items);
        }
    }

    /// <summary>The inputs of a scan, as one tile of all tokens and channels.</summary>
    private ScanTile TileOf(in ScanInputs inputs, in ScanSizes sizes) => new()
    {
        X = RowsOf(inputs.X),
        Delta = RowsOf(inputs.Delta),
        Z = RowsOf(inputs.Z),
        A = StatesOf(inputs.IsALog ? AOf(inputs.GivenA, sizes.IsComplex) : inputs.GivenA, sizes),
        B = CouplingOf(inputs.B, inputs.HasConstantB, sizes),
        C = CouplingOf(inputs.C, inputs.HasConstantC, sizes),
        D = StartOf(inputs.D),
        DeltaBias = StartOf(inputs.DeltaBias),
        Softplus = inputs.Softplus,
        States = sizes.States,
        Channels = sizes.Channels,
    };

    private Coupling CouplingOf(DeviceArray array, bool constant, in ScanSizes sizes) =>
        constant
            ? new(StatesOf(array, sizes), (nint)sizes.States * sizes.Channels)
            : new(RowsOf(array), sizes.Parts);

    /// <summary>An array of states: one row of channels for each state.</summary>
    private Rows StatesOf(DeviceArray array, in ScanSizes sizes) => new(StartOf(array), sizes.Channels);

    private static ScanTile Tile(in ScanTile whole, nint first, int group, int channel, int channels) =>
        whole.At(first, channel) with
        {
            B = whole.B.At(first, whole.B.IsPerToken ? group * whole.States : 0, channel),
            C = whole.C.At(first, whole.C.IsPerToken ? group * whole.States : 0, channel),
            Channels = channels,
        };

    private readonly struct ScanJob<TScan, TRecurrence>(TScan scan) : IJob
        where TScan : struct, IScan
        where TRecurrence : struct, SelectiveScan.IRecurrence
    {
        public void Run(int item) => scan.Run<TRecurrence>(item);
    }

    private readonly struct ForwardScan(
        ScanSizes sizes,
        ScanTiles tiles,
        ScanTile whole,
        Rows y,
        Rows initialState,
        Rows states,
        Rows checkpoints) : IScan
    {
        public void Run<TRecurrence>(int item)
            where TRecurrence : struct, SelectiveScan.IRecurrence
        {
            (int sequence, int group, _, int channel, int channels) = tiles[item];
            nint first = sizes.Sequences.Start(sequence);
            nint row = (nint)sizes.Sequences.Slot(sequence) * sizes.StateRows;
            Rows state = states.At(row, channel);
            Kernels.SelectiveScan.SetRows(state, initialState.At(row, channel), sizes.StateRows, channels);
            Kernels.SelectiveScan.Forward<TRecurrence>(
                Tile(whole, first, group, channel, channels),
                sizes.Sequences.Length(sequence),
                state,
                y.At(first, channel),
                checkpoints.At(
                    sizes.FirstCheckpoint(sequence, Kernels.SelectiveScan.ChunkLength) * sizes.StateRows, channel),
                sizes.StateRows);
        }
    }
}
