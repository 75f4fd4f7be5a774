using ILGPU.Runtime;
using Mamba.Gpu.Cuda;
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
        if (IsInCudaC(operation))
        {
            ScanInCudaC(operation);
            return;
        }

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
        ScanSpans spans = SpansOf(sizes);
        scan.Sequences = new(IntegersOf(spans.Offsets), spans.Count, -1, default, 0);
        GpuRows before = RowsOf(spans.Before), steps = RowsOf(spans.Steps);
        if (inputs.HasConstantB)
        {
            Launch(new ScanSpanKernel<ConstantCouplings>(scan, before, steps), ScanGroups(scan), threads);
        }
        else
        {
            Launch(new ScanSpanKernel<TokenCouplings>(scan, before, steps), ScanGroups(scan), threads);
        }

        Fold(spans, inputs, sizes, finalState);
        return (before, RowsOf(spans.After));
    }

    /// <summary>Cuts every sequence into spans.</summary>
    private ScanSpans SpansOf(in ScanSizes sizes)
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
        Shape ofStates = [count, sizes.States, sizes.Channels];
        return new(
            Indices(offsets.ToArray()), Indices(firstOf), count, Allocate(ofStates), Allocate(ofStates),
            Allocate([count, sizes.Channels]));
    }

    /// <summary>From the ends of the spans, the states before them and after each sequence.</summary>
    private void Fold(in ScanSpans spans, in ScanInputs inputs, in ScanSizes sizes, DeviceArray finalState)
    {
        (Plane plane, long groups, (int, int) ofPlane) = PlaneOf(finalState.Shape, flat: false);
        Launch(
            new ScanFoldKernel(
                plane, sizes.States, IntegersOf(spans.FirstOf), RowsOf(inputs.GivenA), inputs.IsALog ? 1 : 0,
                RowsOf(spans.Steps), RowsOf(inputs.InitialState), RowsOf(spans.Before), RowsOf(finalState)),
            groups,
            ofPlane);
    }

    /// <summary>
    /// Whether the kernels in CUDA C take a scan: real states, 16 for each channel, and B and C for each token.
    /// </summary>
    private bool IsInCudaC(in ScanOperation scan) =>
        HasCudaC && !scan.Sizes.IsComplex && scan.Sizes.States == CudaScan.States
        && !scan.Inputs.HasConstantB && !scan.Inputs.HasConstantC;

    private void ScanInCudaC(in ScanOperation operation)
    {
        (ScanInputs inputs, ScanSizes sizes) = (operation.Inputs, operation.Sizes);

        // Inputs rounded to bfloat16 need no decays better than the device's own 2^x.
        bool isExact = inputs.X.Precision == Precision.Float32;
        CudaScanForward arguments = new()
        {
            Inputs = CudaInputsOf(operation),
            Y = CudaRowsOf(operation.Y),
            InitialState = AddressOf(inputs.InitialState),
            FinalState = AddressOf(operation.FinalState),
            Checkpoints = AddressOf(operation.Checkpoints),
        };
        bool fillsTooLittle = sizes.Sequences.LongestLength >= 2 * ScanSpanLength
            && arguments.Inputs.Blocks <= Math.Max(_runtime.Accelerator.NumMultiprocessors / 2, 1);
        if (fillsTooLittle && !operation.Checkpoints.Exists)
        {
            ScanSpans spans = SpansOf(sizes);
            arguments.Inputs.Sequences = new(IntegersOf(spans.Offsets).LoadEffectiveAddressAsPtr(), 0, -1, spans.Count);
            Scan(isExact ? CudaScan.SummaryExact : CudaScan.Summary, arguments with
            {
                InitialState = 0,
                FinalState = AddressOf(spans.Before),
                Steps = AddressOf(spans.Steps),
            });
            Fold(spans, inputs, sizes, operation.FinalState);
            (arguments.InitialState, arguments.FinalState) = (AddressOf(spans.Before), AddressOf(spans.After));
        }

        Scan(isExact ? CudaScan.ForwardExact : CudaScan.Forward, arguments);

        void Scan(CudaFunction kernel, in CudaScanForward arguments) =>
            Launch(kernel, arguments, (arguments.Inputs.Blocks, 1), (CudaScan.Lanes, CudaScan.Slots));
    }

    private CudaScanInputs CudaInputsOf(in ScanOperation scan)
    {
        (ScanInputs inputs, ScanSizes sizes) = (scan.Inputs, scan.Sizes);
        return new()
        {
            X = CudaRowsOf(inputs.X),
            Delta = CudaRowsOf(inputs.Delta),
            Z = CudaRowsOf(inputs.Z),
            B = CudaRowsOf(inputs.B),
            C = CudaRowsOf(inputs.C),
            A = CudaRowsOf(inputs.GivenA),
            D = CudaRowsOf(inputs.D),
            Bias = CudaRowsOf(inputs.DeltaBias),
            Sequences = CudaSequencesOf(sizes.Sequences),
            Channels = sizes.Channels,
            Groups = sizes.Groups,
            Tiles = (int)Groups(sizes.Channels / sizes.Groups, CudaScan.Lanes),
            Softplus = inputs.Softplus ? 1 : 0,
            IsALog = inputs.IsALog ? 1 : 0,
        };
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

/// <summary>The spans that the sequences of a scan are cut into.</summary>
/// <param name="Offsets">The first token of every span, and the end of the last.</param>
/// <param name="FirstOf">The first span of every sequence, and the end of the last.</param>
/// <param name="Count">Number of spans.</param>
/// <param name="Before">The ends of spans that start from zeros, then the states before the spans.</param>
/// <param name="After">Room for the states after the spans.</param>
/// <param name="Steps">ΣΔ of every span and channel.</param>
internal readonly record struct ScanSpans(
    IndexArray Offsets, IndexArray FirstOf, int Count, DeviceArray Before, DeviceArray After, DeviceArray Steps);
