using Mamba.Gpu.Kernels;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    internal override void GatedRmsNorm(in GatedNormOperation norm)
    {
        if (TryGatedNormOfFew(norm))
        {
            return;
        }

        (NormRows rows, long blocks, (int, int) threads) = NormRowsOf(norm.X.Shape, norm.GroupSize, withSums: false);
        Launch(
            new GatedNormKernel(rows, InputsOf(norm), RowsOf(norm.Y).CutAt(norm.GroupSize)),
            (blocks * (norm.X.Shape.Width / norm.GroupSize), 1),
            threads);
    }

    internal override void GatedRmsNormBackward(in GatedNormOperation norm, in GatedNormOperation gradients)
    {
        using DeviceScope scope = Scope();
        int groupSize = norm.GroupSize;
        bool withSums = gradients.Weight.Exists || gradients.Bias.Exists;
        (NormRows rows, long blocks, (int, int) threads) = NormRowsOf(norm.X.Shape, groupSize, withSums);
        DeviceArray weightParts = AllocateParts(gradients.Weight, blocks);
        DeviceArray biasParts = AllocateParts(gradients.Bias, blocks);
        Launch(
            new GatedNormBackwardKernel(
                rows,
                InputsOf(norm),
                RowsOf(gradients.Y).CutAt(groupSize),
                RowsOf(gradients.X).CutAt(groupSize),
                RowsOf(gradients.Z).CutAt(groupSize),
                new(RowsOf(weightParts).CutAt(groupSize), RowsOf(biasParts).CutAt(groupSize))),
            (blocks * (norm.X.Shape.Width / groupSize), 1),
            threads);
        AddPartsIfWanted(weightParts, gradients.Weight);
        AddPartsIfWanted(biasParts, gradients.Bias);
    }

    private GatedNormInputs InputsOf(in GatedNormOperation norm) =>
        new(
            RowsOf(norm.X).CutAt(norm.GroupSize),
            RowsOf(norm.Z).CutAt(norm.GroupSize),
            VectorOf(norm.Weight).CutAt(norm.GroupSize),
            VectorOf(norm.Bias).CutAt(norm.GroupSize),
            norm.Epsilon,
            norm.NormBeforeGate ? 1 : 0);
}
