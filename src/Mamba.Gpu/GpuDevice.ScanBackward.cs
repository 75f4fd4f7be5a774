using Mamba.Gpu.Cuda;
using Mamba.Gpu.Kernels;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    internal override void SelectiveScanBackward(in ScanOperation operation, in ScanOperation gradients)
    {
        (ScanInputs inputs, ScanSizes sizes) = (operation.Inputs, operation.Sizes);
        ScanInputs ofInputs = gradients.Inputs;
        using DeviceScope scope = Scope();
        bool isInCudaC = IsInCudaC(operation);
        (int Lanes, int Slots) threads = ScanThreads(sizes);
        int tiles = (int)Groups(sizes.Channels / sizes.Groups, isInCudaC ? CudaScan.Lanes : threads.Lanes);

        // Partial sums over the tokens of a sequence and over the channels of a tile; they are added below.
        Shape ofSequences = [sizes.Sequences.Count, sizes.StateRows, sizes.Channels];
        Shape ofTokens = [tiles, sizes.Sequences.Tokens, sizes.Groups * sizes.StateRows];
        DeviceArray a = AllocateFor(ofInputs.GivenA, ofSequences);
        DeviceArray b = AllocateFor(ofInputs.B, inputs.HasConstantB ? ofSequences : ofTokens);
        DeviceArray c = AllocateFor(ofInputs.C, inputs.HasConstantC ? ofSequences : ofTokens);
        DeviceArray d = AllocateFor(ofInputs.D, [sizes.Sequences.Count, sizes.Channels]);
        DeviceArray deltaBias = AllocateFor(ofInputs.DeltaBias, [sizes.Sequences.Count, sizes.Channels]);
        if (isInCudaC)
        {
            GoBackInCudaC(operation, gradients, a, b, c, d, deltaBias);
        }
        else
        {
            GoBack(operation, gradients, ArraysOf(operation, threads.Lanes), threads, a, b, c, d, deltaBias);
        }

        DeviceArray ofA = GradientOfA(inputs.IsALog, ofInputs.GivenA);
        AddSequences(a, ofA);
        AddToLog(inputs.IsALog, inputs.GivenA, sizes.IsComplex, ofA, ofInputs.GivenA);
        AddSequences(d, ofInputs.D);
        AddSequences(deltaBias, ofInputs.DeltaBias);
        AddTiles(b, inputs.HasConstantB, ofInputs.B);
        AddTiles(c, inputs.HasConstantC, ofInputs.C);
    }

    private void GoBackInCudaC(
        in ScanOperation operation, in ScanOperation gradients, DeviceArray a, DeviceArray b, DeviceArray c,
        DeviceArray d, DeviceArray deltaBias)
    {
        ScanInputs ofInputs = gradients.Inputs;
        CudaScanBackward arguments = new()
        {
            Inputs = CudaInputsOf(operation),
            Checkpoints = AddressOf(operation.Checkpoints),
            Y = CudaRowsOf(gradients.Y),
            FinalState = AddressOf(gradients.FinalState),
            X = CudaRowsOf(ofInputs.X),
            Delta = CudaRowsOf(ofInputs.Delta),
            Z = CudaRowsOf(ofInputs.Z),
            InitialState = AddressOf(ofInputs.InitialState),
            A = AddressOf(a),
            B = AddressOf(b),
            C = AddressOf(c),
            D = AddressOf(d),
            Bias = AddressOf(deltaBias),
            Tokens = operation.Sizes.Sequences.Tokens,
        };
        Launch(
            operation.Inputs.X.Precision == Precision.Float32 ? CudaScan.BackwardExact : CudaScan.Backward,
            arguments,
            (arguments.Inputs.Blocks, 1),
            (CudaScan.Lanes, CudaScan.Slots));
    }

    private void GoBack(
        in ScanOperation operation, in ScanOperation gradients, ScanArrays scan, (int, int) threads, DeviceArray a,
        DeviceArray b, DeviceArray c, DeviceArray d, DeviceArray deltaBias)
    {
        (ScanInputs inputs, ScanSizes sizes, ScanInputs ofInputs) =
            (operation.Inputs, operation.Sizes, gradients.Inputs);
        ScanGradientArrays arrays = new()
        {
            Y = RowsOf(gradients.Y),
            FinalState = RowsOf(gradients.FinalState),
            X = RowsOf(ofInputs.X),
            Delta = RowsOf(ofInputs.Delta),
            Z = RowsOf(ofInputs.Z),
            InitialState = RowsOf(ofInputs.InitialState),
            A = RowsOf(a),
            B = RowsOf(b),
            C = RowsOf(c),
            D = RowsOf(d),
            DeltaBias = RowsOf(deltaBias),
            Tokens = sizes.Sequences.Tokens,
        };
        GpuRows kept = RowsOf(operation.Checkpoints);
        switch (sizes.IsComplex, inputs.HasConstantB || inputs.HasConstantC)
        {
            case (false, false):
                GoBack<RealNumbers, TokenCouplings>();
                break;
            case (false, true):
                GoBack<RealNumbers, ConstantCouplings>();
                break;
            case (true, false):
                GoBack<ComplexNumbers, TokenCouplings>();
                break;
            case (true, true):
                GoBack<ComplexNumbers, ConstantCouplings>();
                break;
        }

        void GoBack<TNumbers, TCouplings>()
            where TNumbers : struct, IScanNumbers
            where TCouplings : struct, IScanCouplings =>
            Launch(new ScanBackwardKernel<TNumbers, TCouplings>(scan, kept, arrays), ScanGroups(scan), threads);
    }

    private DeviceArray AllocateFor(DeviceArray gradient, Shape shape) => gradient.Exists ? Allocate(shape) : default;

    /// <summary>Adds the partial sums of all sequences to the gradient.</summary>
    private void AddSequences(DeviceArray parts, DeviceArray target)
    {
        if (target.Exists)
        {
            int count = checked((int)target.Shape.Count);
            AddColumnSums(parts.Reshape([parts.Shape[0], count]), target.Reshape([count]));
        }
    }

    /// <summary>Adds the partial sums of all tiles of a group, or of all sequences, to the gradient.</summary>
    private void AddTiles(DeviceArray parts, bool constant, DeviceArray target)
    {
        if (constant || !target.Exists)
        {
            AddSequences(parts, target);
            return;
        }

        (Plane plane, long groups, (int, int) threads) = PlaneOf(target.Shape, flat: false);
        Launch(
            new ScanTokenSumsKernel(plane, RowsOf(parts), parts.Shape[0], parts.Shape[1], RowsOf(target)),
            groups,
            threads);
    }
}
