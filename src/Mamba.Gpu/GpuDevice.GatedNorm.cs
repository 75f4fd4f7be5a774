using Mamba.Devices;
using Mamba.Gpu.Kernels;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    internal override void GatedRmsNorm(
        DeviceArray x,
        DeviceArray z,
        DeviceArray weight,
        DeviceArray bias,
        float epsilon,
        int groupSize,
        bool normBeforeGate,
        DeviceArray y)
    {
        RequireNorm(x, weight, bias, z, y);
        RequireGroups(x, groupSize);
        (NormRows rows, long blocks, (int, int) threads) = NormRowsOf(x.Shape, groupSize, withSums: false);
        Launch(
            new GatedNormKernel(
                rows,
                InputsOf(x, z, weight, bias, epsilon, groupSize, normBeforeGate),
                RowsOf(y).CutAt(groupSize)),
            (blocks * (x.Shape.Width / groupSize), 1),
            threads);
    }

    internal override void GatedRmsNormBackward(
        DeviceArray x,
        DeviceArray z,
        DeviceArray weight,
        DeviceArray bias,
        float epsilon,
        int groupSize,
        bool normBeforeGate,
        DeviceArray gy,
        DeviceArray gx,
        DeviceArray gz,
        DeviceArray gweight,
        DeviceArray gbias)
    {
        RequireNorm(x, weight, bias, z, gy, gx, gz);
        RequireGroups(x, groupSize);
        using DeviceScope scope = Scope();
        bool withSums = gweight.Exists || gbias.Exists;
        (NormRows rows, long blocks, (int, int) threads) = NormRowsOf(x.Shape, groupSize, withSums);
        DeviceArray weightParts = AllocateParts(gweight, blocks), biasParts = AllocateParts(gbias, blocks);
        Launch(
            new GatedNormBackwardKernel(
                rows,
                InputsOf(x, z, weight, bias, epsilon, groupSize, normBeforeGate),
                RowsOf(gy).CutAt(groupSize),
                RowsOf(gx).CutAt(groupSize),
                RowsOf(gz).CutAt(groupSize),
                new(RowsOf(weightParts).CutAt(groupSize), RowsOf(biasParts).CutAt(groupSize))),
            (blocks * (x.Shape.Width / groupSize), 1),
            threads);
        AddPartsIfWanted(weightParts, gweight);
        AddPartsIfWanted(biasParts, gbias);
    }

    private GatedNormInputs InputsOf(
        DeviceArray x,
        DeviceArray z,
        DeviceArray weight,
        DeviceArray bias,
        float epsilon,
        int groupSize,
        bool normBeforeGate) =>
        new(
            RowsOf(x).CutAt(groupSize),
            RowsOf(z).CutAt(groupSize),
            VectorOf(weight).CutAt(groupSize),
            VectorOf(bias).CutAt(groupSize),
            epsilon,
            normBeforeGate ? 1 : 0);
}
