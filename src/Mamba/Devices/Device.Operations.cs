using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Devices;

/// <content>
/// Operations that have a record. <c>Prepare</c> has checked the record's shapes and allocated its outputs. A backward
/// pass takes the record and that of its gradients, and adds to those of the operands that exist.
/// </content>
public abstract partial class Device
{
    /// <summary>Tokens from one state that is kept for the backward pass of a scan to the next.</summary>
    internal abstract int ScanChunkLength { get; }

    internal abstract void SelectiveScan(in ScanOperation scan);

    internal abstract void SelectiveScanBackward(in ScanOperation scan, in ScanOperation gradients);

    /// <summary>Shape of what <see cref="Ssd"/> keeps for its backward pass.</summary>
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

    internal abstract void Linear(in LinearOperation linear);

    /// <summary>Adds a slice's part to the statistics of the slices before it; the first slice begins anew.</summary>
    internal abstract void LogitStatistics(in LogitSlice slice);

    /// <summary>
    /// Computes the mean of <c>log Σ_j e^logits[j] - logits[target]</c> over the counted rows from the statistics of
    /// all classes, see <see cref="LogitSlice.Statistics"/>; 0 if there is none.
    /// </summary>
    internal abstract void MeanLoss(
        IndexArray targets, int ignoreIndex, int counted, DeviceArray statistics, DeviceArray loss);

    /// <summary>
    /// Adds <c>gLoss[0]·(softmax - one-hot target)/counted</c> to the gradient of a slice's logits, by the statistics
    /// of all classes.
    /// </summary>
    internal abstract void CrossEntropyBackward(
        in LogitSlice slice, int counted, DeviceArray gLoss, DeviceArray gLogits);
}
