using Mamba.Devices;
using Mamba.Gpu.Kernels;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    internal override void SelectiveScanBackward(
        in ScanInputs inputs,
        Segments? segments,
        DeviceArray checkpoints,
        DeviceArray gy,
        DeviceArray gFinalState,
        in ScanGradients gradients)
    {
        ScanSizes sizes = new(inputs, segments);
        DeviceArray.Require("checkpoints", checkpoints, sizes.CheckpointShape(ScanChunkLength));
        DeviceArray.RequireOptional("the gradient of y", gy, inputs.X.Shape);
        DeviceArray.RequireOptional("the gradient of the final state", gFinalState, sizes.StateShape);
        RequireShapes(inputs, gradients);
        using DeviceScope scope = Scope();
        (int Lanes, int Slots) threads = ScanThreads(sizes);
        ScanArrays scan = ArraysOf(inputs, sizes, segments, threads.Lanes);

        // Sums over the tokens of a sequence, and over the channels of a tile, to be added up below.
        Shape ofSequences = [sizes.Sequences.Count, sizes.StateRows, sizes.Channels];
        Shape ofTokens = [scan.Tiles, sizes.Sequences.Tokens, sizes.Groups * sizes.StateRows];
        DeviceArray a = AllocateFor(gradients.A, ofSequences);
        DeviceArray b = AllocateFor(gradients.B, inputs.HasConstantB ? ofSequences : ofTokens);
        DeviceArray c = AllocateFor(gradients.C, inputs.HasConstantC ? ofSequences : ofTokens);
        DeviceArray d = AllocateFor(gradients.D, [sizes.Sequences.Count, sizes.Channels]);
        DeviceArray deltaBias = AllocateFor(gradients.DeltaBias, [sizes.Sequences.Count, sizes.Channels]);
        ScanGradientArrays arrays = new()
        {
            Y = RowsOf(gy),
            FinalState = RowsOf(gFinalState),
            X = RowsOf(gradients.X),
            Delta = RowsOf(gradients.Delta),
            Z = RowsOf(gradients.Z),
            InitialState = RowsOf(gradients.InitialState),
            A = RowsOf(a),
            B = RowsOf(b),
            C = RowsOf(c),
            D = RowsOf(d),
            DeltaBias = RowsOf(deltaBias),
            Tokens = sizes.Sequences.Tokens,
        };
        GpuRows kept = RowsOf(checkpoints);
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

        AddSequences(a, gradients.A);
        AddSequences(d, gradients.D);
        AddSequences(deltaBias, gradients.DeltaBias);
        AddTiles(b, inputs.HasConstantB, gradients.B);
        AddTiles(c, inputs.HasConstantC, gradients.C);

        void GoBack<TNumbers, TCouplings>()
            where TNumbers : struct, IScanNumbers
            where TCouplings : struct, IScanCouplings =>
            Launch(new ScanBackwardKernel<TNumbers, TCouplings>(scan, kept, arrays), ScanGroups(scan), threads);
    }

    private static void RequireShapes(in ScanInputs inputs, in ScanGradients gradients)
    {
        DeviceArray.RequireOptional("the gradient of x", gradients.X, inputs.X.Shape);
        DeviceArray.RequireOptional("the gradient of Δ", gradients.Delta, inputs.Delta.Shape);
        DeviceArray.RequireOptional("the gradient of A", gradients.A, inputs.A.Shape);
        DeviceArray.RequireOptional("the gradient of B", gradients.B, inputs.B.Shape);
        DeviceArray.RequireOptional("the gradient of C", gradients.C, inputs.C.Shape);
        DeviceArray.RequireOptional("the gradient of D", gradients.D, inputs.D.Shape);
        DeviceArray.RequireOptional("the gradient of z", gradients.Z, inputs.Z.Shape);
        DeviceArray.RequireOptional("the gradient of the bias of Δ", gradients.DeltaBias, inputs.DeltaBias.Shape);
        DeviceArray.RequireOptional(
            "the gradient of the initial state", gradients.InitialState, inputs.InitialState.Shape);
    }

    private DeviceArray AllocateFor(DeviceArray gradient, Shape shape) => gradient.Exists ? Allocate(shape) : default;

    /// <summary>Adds up what was gathered for every sequence.</summary>
    private void AddSequences(DeviceArray parts, DeviceArray target)
    {
        if (target.Exists)
        {
            int count = checked((int)target.Shape.Count);
            AddColumnSums(parts.Reshape([parts.Shape[0], count]), target.Reshape([count]));
        }
    }

    /// <summary>Adds up what was gathered for every tile of a group, or for every sequence.</summary>
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
