using Mamba.Gpu.Kernels;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    /// <summary>Tokens of a span, if long sequences are split.</summary>
    private const int ScanSpanLength = 256;

    /// <summary>
    /// Groups that occupy a multiprocessor: more than one, because each waits for memory and for its last state.
    /// </summary>
    private const int ScanGroupsPerProcessor = 2;

    internal override int ScanChunkLength => ScanConstants.ChunkLength;

    internal override void SelectiveScan(in ScanOperation operation)
    {
        (ScanInputs inputs, ScanSizes sizes) = (operation.Inputs, operation.Sizes);
        using DeviceScope scope = Scope();
        (int Lanes, int Slots) threads = ScanThreads(sizes);
        ScanArrays scan = ArraysOf(operation, threads.Lanes);
        GpuRows output = RowsOf(operation.Y), kept = RowsOf(operation.Checkpoints);
        (GpuRows initial, GpuRows final) = operation.Checkpoints.Exists || !FillsTooLittle(scan, sizes)
            ? (RowsOf(inputs.InitialState), RowsOf(operation.FinalState))
            : CutIntoSpans(ref scan, inputs, sizes, threads, operation.FinalState);
        switch (sizes.IsComplex, inputs.HasConstantB || inputs.HasConstantC)
        {
            case (false, false):
                Scan<RealNumbers, TokenCouplings>();
                break;
            case (false, true):
                Scan<RealNumbers, ConstantCouplings>();
                break;
            case (true, false):
                Scan<ComplexNumbers, TokenCouplings>();
                break;
            case (true, true):
                Scan<ComplexNumbers, ConstantCouplings>();
                break;
        }

        void Scan<TNumbers, TCouplings>()
            where TNumbers : struct, IScanNumbers
            where TCouplings : struct, IScanCouplings => Launch(
                new ScanForwardKernel<TNumbers, TCouplings>(scan, initial, output, final, kept),
                ScanGroups(scan),
                threads);
    }

    /// <summary>
    /// Whether too few long sequences leave most of the device idle. Then their spans run in parallel, at the cost of
    /// reading the tokens twice.
    /// </summary>
    private bool FillsTooLittle(in ScanArrays scan, in ScanSizes sizes) =>
        !sizes.IsComplex && sizes.Sequences.LongestLength >= 2 * ScanSpanLength
        && ScanGroups(scan).Item1 < ScanGroupsPerProcessor * _runtime.Accelerator.NumMultiprocessors;

    /// <summary>Splits a scan's sequences into spans, and computes the state before each.</summary>
    /// <returns>The states before the spans, and scratch for those after them, which are not used.</returns>
    private (GpuRows Initial, GpuRows Final) CutIntoSpans(
        ref ScanArrays scan, in ScanInputs inputs, in ScanSizes sizes, (int, int) threads, DeviceArray finalState)
    {
        Sequences sequences = sizes.Sequences;
        List<int> offsets = [];
        int[] firstOf = new int[sequences.Count + 1];
        for (int i = 0; i < sequences.Count; i++)
        {
            firstOf[i] = offsets.Count;
            for (int start = 0; start < sequences.Length(i); start += ScanSpanLength)
            {
                offsets.Add(sequences.Start(i) + start);
            }
        }

        (int count, firstOf[^1]) = (offsets.Count, offsets.Count);
        offsets.Add(sequences.Tokens);
        scan.Sequences = new(IntegersOf(Indices(offsets.ToArray())), count, -1, default, 0);
        DeviceArray before = Allocate([count, sizes.States, sizes.Channels]), after = Allocate(before.Shape);
        DeviceArray steps = Allocate([count, sizes.Channels]);
        if (inputs.HasConstantB)
        {
            Launch(
                new ScanSpanKernel<ConstantCouplings>(scan, RowsOf(before), RowsOf(steps)), ScanGroups(scan), threads);
        }
        else
        {
            Launch(new ScanSpanKernel<TokenCouplings>(scan, RowsOf(before), RowsOf(steps)), ScanGroups(scan), threads);
        }

        (Plane plane, long groups, (int, int) ofPlane) = PlaneOf(finalState.Shape, flat: false);
        Launch(
            new ScanFoldKernel(
                plane, sizes.States, IntegersOf(Indices(firstOf)), RowsOf(inputs.GivenA),
                inputs.IsALog ? 1 : 0, RowsOf(steps),
                RowsOf(inputs.InitialState), RowsOf(before), RowsOf(finalState)),
            groups,
            ofPlane);
        return (RowsOf(before), RowsOf(after));
    }

    private ScanArrays ArraysOf(in ScanOperation scan, int lanes)
    {
        (ScanInputs inputs, ScanSizes sizes) = (scan.Inputs, scan.Sizes);
        return new()
        {
            X = RowsOf(inputs.X),
            Delta = RowsOf(inputs.Delta),
            A = RowsOf(inputs.GivenA),
            B = RowsOf(inputs.B),
            C = RowsOf(inputs.C),
            D = RowsOf(inputs.D),
            Z = RowsOf(inputs.Z),
            DeltaBias = RowsOf(inputs.DeltaBias),
            Sequences = SequencesOf(sizes.Sequences),
            IsALog = inputs.IsALog ? 1 : 0,
            HasConstantB = inputs.HasConstantB ? 1 : 0,
            HasConstantC = inputs.HasConstantC ? 1 : 0,
            Softplus = inputs.Softplus ? 1 : 0,
            States = sizes.States,
            Numbers = sizes.StateRows,
            Groups = sizes.Groups,
            GroupChannels = sizes.Channels / sizes.Groups,
            Tiles = (int)Groups(sizes.Channels / sizes.Groups, lanes),
        };
    }

    /// <summary>Threads along channels and along a channel's states, from the device and the states alone.</summary>
    private (int Lanes, int Slots) ScanThreads(in ScanSizes sizes)
    {
        bool isLarge = GroupSize >= ScanConstants.MaxLanes * ScanConstants.MaxSlots;
        int mostSlots = isLarge ? ScanConstants.MaxSlots : Math.Min(2, GroupSize);
        int lanes = Math.Min(ScanConstants.MaxLanes, GroupSize / mostSlots);
        int slots = 1;
        while (slots < mostSlots && 4 * slots < sizes.StateRows)
        {
            slots *= 2;
        }

        return (lanes, slots);
    }

    private static (long, int) ScanGroups(in ScanArrays scan) =>
        ((long)scan.Sequences.Count * scan.Groups * scan.Tiles, 1);
}
