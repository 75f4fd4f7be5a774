using Mamba.Gpu.Cuda;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Gpu;

/// <content>
/// A decoding step in bfloat16 by kernels in CUDA C, which take the usual case. Every other case is the operations that
/// the step is made of, by ILGPU's kernels and cuBLAS.
/// </content>
public sealed partial class GpuDevice
{
    internal override void NormedLinear(in NormOperation norm, in LinearOperation linear)
    {
        if (!TakesNorm(norm) || !TakesProduct(linear))
        {
            base.NormedLinear(norm, linear);
            return;
        }

        LaunchNormed(ProductOf(linear), norm, hasConvolution: false);
    }

    internal override void StepInput(
        in NormOperation norm, in LinearOperation linear, in ConvolutionOperation convolution)
    {
        if (!TakesNorm(norm) || !TakesProduct(linear) || !TakesConvolution(linear, convolution))
        {
            base.StepInput(norm, linear, convolution);
            return;
        }

        using DeviceScope scope = Scope();
        CudaProduct product = ProductOf(linear);
        product.Taps = CudaRowsOf(convolution.Weight);
        product.TapBias = CudaRowsOf(convolution.Bias);
        product.Convolved = CudaRowsOf(convolution.Y);
        product.Window = AddressOf(convolution.FinalWindow);
        product.Slots = CudaSequencesOf(convolution.Sequences).Slots;
        product.FirstChannel = (int)(convolution.X.Offset - linear.Y.Offset);
        product.Channels = convolution.Channels;
        product.TapCount = convolution.Width;
        product.IsSilu = convolution.Silu ? 1 : 0;
        LaunchNormed(product, norm, hasConvolution: true);
    }

    internal override void StepScan(in LinearOperation timeStep, in ScanOperation scan)
    {
        if (!TakesScanStep(timeStep, scan))
        {
            base.StepScan(timeStep, scan);
            return;
        }

        using DeviceScope scope = Scope();
        ScanInputs inputs = scan.Inputs;
        CudaScanStep step = new()
        {
            X = CudaRowsOf(inputs.X),
            Z = CudaRowsOf(inputs.Z),
            Delta = CudaRowsOf(timeStep.X),
            B = CudaRowsOf(inputs.B),
            C = CudaRowsOf(inputs.C),
            Weight = CudaRowsOf(timeStep.Weight),
            Bias = CudaRowsOf(inputs.DeltaBias),
            A = CudaRowsOf(inputs.GivenA),
            D = CudaRowsOf(inputs.D),
            Y = CudaRowsOf(scan.Y),
            Hidden = AddressOf(scan.FinalState),
            Slots = CudaSequencesOf(scan.Sizes.Sequences).Slots,
            Channels = scan.Sizes.Channels,
            Rank = timeStep.X.Shape.Width,
            IsALog = inputs.IsALog ? 1 : 0,
        };
        int groups = (int)Groups(step.Channels, CudaDecode.ScanThreads / 4);
        Launch(CudaDecode.ScanStep, step, (groups, (int)inputs.X.Shape.Rows), (CudaDecode.ScanThreads, 1));
    }

    /// <summary>Computes one token of the SSD for few texts.</summary>
    /// <returns>Whether it did.</returns>
    private bool TrySsdStep(in SsdOperation ssd)
    {
        if (!TakesSsdStep(ssd))
        {
            return false;
        }

        (SsdInputs inputs, SsdSizes sizes) = (ssd.Inputs, ssd.Sizes);
        CudaSsdStep step = new()
        {
            X = CudaRowsOf(inputs.X),
            Z = CudaRowsOf(inputs.Z),
            Delta = CudaRowsOf(inputs.Delta),
            B = CudaRowsOf(inputs.B),
            C = CudaRowsOf(inputs.C),
            Bias = CudaRowsOf(inputs.DeltaBias),
            A = CudaRowsOf(inputs.GivenA),
            D = CudaRowsOf(inputs.D),
            Y = CudaRowsOf(ssd.Y),
            Hidden = AddressOf(ssd.FinalState),
            Slots = CudaSequencesOf(sizes.Sequences).Slots,
            Heads = sizes.Heads,
            HeadDim = sizes.HeadDim,
            States = sizes.States,
            Groups = sizes.Groups,
            IsALog = inputs.IsALog ? 1 : 0,
            IsSoftplus = inputs.Softplus ? 1 : 0,
            HasChannelD = sizes.HasChannelD ? 1 : 0,
            DeltaMin = inputs.DeltaMin,
            DeltaMax = inputs.DeltaMax,
        };
        int groups = (int)Groups(inputs.X.Shape.Width, CudaDecode.SsdWarps * CudaDecode.Quad);
        Launch(CudaDecode.SsdStep, step, (groups, (int)inputs.X.Shape.Rows), (32, CudaDecode.SsdWarps));
        return true;
    }

    /// <summary>Normalises few rows.</summary>
    /// <returns>Whether it did.</returns>
    private bool TryGatedNormOfFew(in GatedNormOperation norm)
    {
        bool takes = HasCudaC && norm.X.Shape.Rows is >= 1 and <= CudaDecode.MostRows && !norm.Bias.Exists
            && norm.Weight.Exists && IsFloat32(norm.Weight) && IsWhole(norm.Weight, CudaDecode.Quad)
            && norm.GroupSize % CudaDecode.Quad == 0 && norm.GroupSize <= CudaDecode.MostNormed
            && IsNarrow(norm.X) && IsNarrow(norm.Z) && IsNarrow(norm.Y);
        if (takes)
        {
            Launch(
                CudaDecode.GatedNorm,
                new CudaGatedNorm
                {
                    X = CudaRowsOf(norm.X),
                    Z = CudaRowsOf(norm.Z),
                    Y = CudaRowsOf(norm.Y),
                    Scale = CudaRowsOf(norm.Weight),
                    GroupSize = norm.GroupSize,
                    Epsilon = norm.Epsilon,
                    IsNormFirst = norm.NormBeforeGate ? 1 : 0,
                },
                (norm.X.Shape.Width / norm.GroupSize, (int)norm.X.Shape.Rows),
                (32, CudaDecode.NormWarps));
        }

        return takes;
    }

    internal override void RowMaxima(DeviceArray x, DeviceArray y, DeviceArray places)
    {
        if (!HasCudaC || !AreAligned(x, x.Precision == Precision.BFloat16 ? 8 : 4))
        {
            base.RowMaxima(x, y, places);
            return;
        }

        Launch(
            CudaDecode.Largest,
            new CudaLargest
            {
                X = CudaRowsOf(x),
                Y = CudaRowsOf(y),
                Index = AddressOf(places),
                Width = x.Shape.Width,
            },
            (checked((int)x.Shape.Rows), 1),
            (CudaDecode.LargestThreads, 1));
    }

    /// <summary>Computes a product of few rows by tensor cores.</summary>
    /// <returns>Whether it did.</returns>
    private bool TryLinearOfFew(in LinearOperation linear)
    {
        bool takes = TakesProduct(linear);
        if (takes)
        {
            LaunchProduct(ProductOf(linear), hasNorm: false, hasConvolution: false);
        }

        return takes;
    }

    private CudaProduct ProductOf(in LinearOperation linear) => new()
    {
        X = CudaRowsOf(linear.X),
        Weight = CudaRowsOf(linear.Weight),
        Bias = CudaRowsOf(linear.Bias),
        Start = CudaRowsOf(linear.Start),
        Y = CudaRowsOf(linear.Y),
        Rows = (int)linear.X.Shape.Rows,
        Depth = linear.X.Shape.Width,
        Width = linear.Weight.Shape[0],
    };

    /// <summary>Queues a product of normalised rows. The product normalises few rows itself.</summary>
    private void LaunchNormed(CudaProduct product, in NormOperation norm, bool hasConvolution)
    {
        (DeviceArray stream, DeviceArray update) = StreamOf(norm);
        product.Residual = CudaRowsOf(stream);
        product.Update = CudaRowsOf(update);
        product.Scale = CudaRowsOf(norm.Weight);
        product.Sum = CudaRowsOf(norm.Sum);
        product.Epsilon = norm.Epsilon;
        CudaProductPlan plan = new(product.Width, product.Depth);
        bool hasNorm = CudaDecode.TakesNorm(plan, product.Rows, product.Depth);
        if (!hasNorm)
        {
            Launch(CudaDecode.NormRows, product, (product.Rows, 1), (32, plan.Warps));
        }

        LaunchProduct(product, hasNorm, hasConvolution);
    }

    private void LaunchProduct(in CudaProduct product, bool hasNorm, bool hasConvolution)
    {
        CudaProductPlan plan = new(product.Width, product.Depth);
        Launch(
            CudaDecode.ProductOf(product.Rows, hasNorm, hasConvolution),
            product with { Splits = plan.Splits },
            (plan.Groups, 1),
            (32, plan.Warps),
            CudaDecode.SharedBytes(plan, product.Rows, hasNorm ? product.Depth : 0));
    }

    /// <summary>Whether x and W are aligned rows of bfloat16 numbers, and x has few.</summary>
    private bool TakesProduct(in LinearOperation linear)
    {
        return HasCudaC && linear.X.Shape.Rows is >= 1 and <= CudaDecode.MostRows
            && IsUsual(linear.X) && IsUsual(linear.Weight);

        static bool IsUsual(DeviceArray factor) =>
            factor.Precision == Precision.BFloat16 && IsWhole(factor, CudaDecode.Step);
    }

    /// <summary>
    /// Whether it is an RMS norm with a weight of a float32 stream, plus an update in bfloat16 if there is one.
    /// </summary>
    private static bool TakesNorm(in NormOperation norm)
    {
        (DeviceArray stream, DeviceArray update) = StreamOf(norm);
        return !norm.Centered && !norm.Bias.Exists && norm.Weight.Exists && norm.Y.Precision == Precision.BFloat16
            && (!update.Exists || update.Precision == Precision.BFloat16)
            && IsFloat32(stream) && IsFloat32(norm.Weight) && IsFloat32(norm.Sum)
            && IsWhole(stream, CudaDecode.Quad) && IsWhole(update, CudaDecode.Quad)
            && IsWhole(norm.Weight, CudaDecode.Quad) && IsWhole(norm.Sum, CudaDecode.Quad);
    }

    private static (DeviceArray Stream, DeviceArray Update) StreamOf(in NormOperation norm) =>
        norm.Residual.Exists ? (norm.Residual, norm.X) : (norm.X, default);

    /// <summary>Whether it is a step of a causal convolution of some columns of a product.</summary>
    private static bool TakesConvolution(in LinearOperation linear, in ConvolutionOperation convolution) =>
        convolution.IsCausal && convolution.Order is null && convolution.Segments is null
        && convolution.X.Shape.Rank == 3 && convolution.X.Shape[1] == 1
        && convolution.Width is > 1 and <= CudaDecode.MostTaps
        && convolution.X.Storage == linear.Y.Storage && convolution.X.Pitch == linear.Y.Pitch
        && IsFloat32(convolution.Weight) && IsFloat32(convolution.Bias)
        && IsInPlace(convolution.InitialWindow, convolution.FinalWindow);

    /// <summary>Whether Δ is a product of bfloat16 numbers, and the scan one token of 16 real states.</summary>
    private bool TakesScanStep(in LinearOperation timeStep, in ScanOperation scan)
    {
        ScanInputs inputs = scan.Inputs;
        return IsInCudaC(scan) && scan.Sizes is { Groups: 1, Directions: 1 } && scan.Orders is null
            && scan.Segments is null && !scan.Checkpoints.Exists && inputs.Softplus
            && inputs.X.Shape[1] == 1 && inputs.X.Shape.Rows <= CudaDecode.MostRows
            && !timeStep.Bias.Exists && !timeStep.Start.Exists
            && IsNarrow(timeStep.X) && IsNarrow(timeStep.Weight) && IsNarrow(inputs.B) && IsNarrow(inputs.C)
            && inputs.X.Precision == Precision.BFloat16
            && (!inputs.Z.Exists || inputs.Z.Precision == Precision.BFloat16)
            && IsFloat32(inputs.GivenA) && IsFloat32(inputs.DeltaBias) && IsFloat32(inputs.D)
            && IsInPlace(inputs.InitialState, scan.FinalState);
    }

    /// <summary>Whether it is one token of few texts, in bfloat16, whose decays follow from Δ and A.</summary>
    private bool TakesSsdStep(in SsdOperation ssd)
    {
        (SsdInputs inputs, SsdSizes sizes) = (ssd.Inputs, ssd.Sizes);
        return HasCudaC && ssd.Segments is null && !ssd.Checkpoints.Exists && inputs.X.Shape[1] == 1
            && inputs.X.Shape.Rows is >= 1 and <= CudaDecode.MostRows
            && !inputs.LogDecay.Exists && !inputs.InputScale.Exists && !inputs.DiagonalScale.Exists
            && sizes.HeadDim % CudaDecode.Quad == 0 && sizes.States % CudaDecode.Quad == 0
            && IsNarrow(inputs.X) && IsNarrow(inputs.B) && IsNarrow(inputs.C) && IsNarrow(inputs.Z)
            && inputs.Delta.Precision == Precision.BFloat16
            && IsFloat32(inputs.GivenA) && IsFloat32(inputs.DeltaBias) && IsFloat32(inputs.D)
            && IsInPlace(inputs.InitialState, ssd.FinalState);
    }

    /// <summary>Whether an array has bfloat16 rows of aligned quads, or is absent.</summary>
    private static bool IsNarrow(DeviceArray array) =>
        !array.Exists || (array.Precision == Precision.BFloat16 && IsWhole(array, CudaDecode.Quad));

    /// <summary>Whether a state is updated in place.</summary>
    private static bool IsInPlace(DeviceArray before, DeviceArray after) =>
        before.Exists && after.Exists && before.Storage == after.Storage && before.Offset == after.Offset
        && after.IsContiguous && after.Precision == Precision.Float32;

    private static bool IsFloat32(DeviceArray array) => !array.Exists || array.Precision == Precision.Float32;

    /// <summary>Whether all rows begin at a multiple of some elements, and consist of a multiple of them.</summary>
    private static bool IsWhole(DeviceArray array, int elements) =>
        !array.Exists || (AreAligned(array, elements) && array.Shape.Width % elements == 0);

    /// <summary>Whether every row begins at a multiple of some elements.</summary>
    private static bool AreAligned(DeviceArray array, int elements) =>
        array.Offset % elements == 0 && (array.Pitch % elements == 0 || array.Shape.Rows <= 1);
}
