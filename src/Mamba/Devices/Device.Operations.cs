using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Devices;

/// <content>
/// Operations with a record. The record's <c>Prepare</c> has checked the shapes and allocated the outputs. A backward
/// pass takes the record and a record of gradients, and accumulates into the gradients that exist.
/// </content>
public abstract partial class Device
{
    /// <summary>Distance in tokens between the states that a scan stores for its backward pass.</summary>
    internal abstract int ScanChunkLength { get; }

    internal abstract void SelectiveScan(in ScanOperation scan);

    internal abstract void SelectiveScanBackward(in ScanOperation scan, in ScanOperation gradients);

    /// <summary>Shape of the data that <see cref="Ssd"/> stores for its backward pass.</summary>
    internal abstract Shape SsdCheckpointShape(in SsdOperation ssd);

    internal abstract void Ssd(in SsdOperation ssd);

    internal abstract void SsdBackward(in SsdOperation ssd, in SsdOperation gradients);

    internal abstract void Convolution(in ConvolutionOperation convolution);

    internal abstract void ConvolutionBackward(in ConvolutionOperation convolution, in ConvolutionOperation gradients);

    internal abstract void DepthwiseConvolution2d(in DepthwiseConvolution2dOperation convolution);

    internal abstract void DepthwiseConvolution2dBackward(
        in DepthwiseConvolution2dOperation convolution, in DepthwiseConvolution2dOperation gradients);

    internal abstract void Attention(in AttentionOperation attention);

    internal abstract void AttentionBackward(in AttentionOperation attention, in AttentionOperation gradients);

    internal abstract void Append(in AppendOperation append);

    internal abstract void Rotary(in RotaryOperation rotary);

    internal abstract void Norm(in NormOperation norm);

    internal abstract void NormBackward(in NormOperation norm, in NormOperation gradients);

    internal abstract void GatedRmsNorm(in GatedNormOperation norm);

    internal abstract void GatedRmsNormBackward(in GatedNormOperation norm, in GatedNormOperation gradients);

    internal abstract void ScaleShift(in ScaleShiftOperation operation);

    internal abstract void ScaleShiftBackward(in ScaleShiftOperation operation, in ScaleShiftOperation gradients);

    internal abstract void TopK(in TopKOperation top);

    internal abstract void TopKBackward(in TopKOperation top, in TopKOperation gradients);

    internal abstract void Linear(in LinearOperation linear);

    /// <summary>
    /// A product of normalised rows. A device that computes both at once may leave the norm's y unwritten.
    /// </summary>
    /// <param name="norm">The norm.</param>
    /// <param name="linear">The product; its x is the norm's y.</param>
    internal virtual void NormedLinear(in NormOperation norm, in LinearOperation linear)
    {
        Norm(norm);
        Linear(linear);
    }

    /// <summary>
    /// The first half of a mixer's step. A device that computes it at once may leave the norm's y unwritten, and the
    /// columns of the product that the convolution reads.
    /// </summary>
    /// <param name="norm">The norm.</param>
    /// <param name="linear">The input projection; its x is the norm's y.</param>
    /// <param name="convolution">The convolution of one token; its x is some columns of the product.</param>
    internal virtual void StepInput(
        in NormOperation norm, in LinearOperation linear, in ConvolutionOperation convolution)
    {
        NormedLinear(norm, linear);
        Convolution(convolution);
    }

    /// <summary>
    /// The second half of a step of Mamba-1. A device that computes it at once may leave Δ unwritten.
    /// </summary>
    /// <param name="timeStep">The projection of the low-rank Δ; its y is Δ.</param>
    /// <param name="scan">The scan of one token.</param>
    internal virtual void StepScan(in LinearOperation timeStep, in ScanOperation scan)
    {
        Linear(timeStep);
        SelectiveScan(scan);
    }

    /// <summary>
    /// Merges a slice into the statistics of the slices before it. The first slice resets the statistics.
    /// </summary>
    internal abstract void LogitStatistics(in LogitSlice slice);

    /// <summary>
    /// Computes the mean of <c>log Σ_j e^logits[j] - logits[target]</c> over the counted rows, from the statistics of
    /// all classes (<see cref="LogitSlice.Statistics"/>). It is 0 if no row counts.
    /// </summary>
    internal abstract void MeanLoss(
        IndexArray targets, int ignoreIndex, int counted, DeviceArray statistics, DeviceArray loss);

    /// <summary>
    /// Adds <c>gLoss[0]·(softmax - one-hot target)/counted</c> to the gradient of a slice's logits, from the statistics
    /// of all classes.
    /// </summary>
    internal abstract void CrossEntropyBackward(
        in LogitSlice slice, int counted, DeviceArray gLoss, DeviceArray gLogits);
}
