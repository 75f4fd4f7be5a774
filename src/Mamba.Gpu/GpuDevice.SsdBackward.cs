using Mamba.Gpu.Kernels;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Gpu;

/// <content>
/// The backward pass of the SSD: it recomputes the forward products, and each has two backward products. The gradients
/// of the decays are sums over their results.
/// </content>
public sealed partial class GpuDevice
{
    internal override void SsdBackward(in SsdOperation ssd, in SsdOperation gradients)
    {
        (SsdSizes sizes, DeviceArray gD) = (ssd.Sizes, gradients.Inputs.D);
        using DeviceScope scope = Scope();
        SsdPlan plan = PlanOf(ssd.Inputs, sizes, shorter: true);
        DeviceArray carry = Allocate([sizes.Sequences.Count * plan.Shape.Channels, sizes.States]);
        DeviceArray ofD = Zeros([plan.Shape.Channels]);
        for (int last = plan.Count; last > 0; last -= plan.PartLength)
        {
            using DeviceScope part = Scope();
            int first = Math.Max(0, last - plan.PartLength);
            SsdPartBackward(ssd, gradients, plan, first, last, carry, ofD);
        }

        if (gD.Exists && sizes.HasChannelD)
        {
            AddScaled(ofD, 1f, gD);
        }
        else if (gD.Exists)
        {
            Launch(
                new SsdHeadSumKernel(plan.Shape, VectorOf(ofD), VectorOf(gD)),
                Groups(sizes.Heads, GroupSize),
                GroupSize);
        }
    }

    private void SsdPartBackward(
        in SsdOperation ssd,
        in SsdOperation gradients,
        SsdPlan plan,
        int first,
        int last,
        DeviceArray carry,
        DeviceArray ofD)
    {
        (SsdInputs inputs, SsdInputs ofInputs) = (ssd.Inputs, gradients.Inputs);
        (SsdShape shape, int length, int count) = (plan.Shape, plan.Chunks.Length, last - first);
        (int groups, int channels, int n) = (shape.Groups, shape.Channels, shape.States);
        Precision precision = inputs.X.Precision;
        SsdPart part = SsdForward(inputs, plan, first, last, ssd.Checkpoints, default);

        DeviceArray g = Allocate([count * length, channels], precision), gAcross = Allocate(g.Shape, precision);
        DeviceArray outputDots = Allocate([count * length, shape.Heads]), pairDots = Allocate(outputDots.Shape);
        GpuRows diagonalDots = part.Diagonal.Exists ? RowsOf(Allocate(outputDots.Shape)) : default;
        LaunchHeads(plan, count, new SsdOutputBackwardKernel(
            (long)count * length * shape.Heads, plan.Chunks, first, shape, plan.Sums, RowsOf(part.Inside),
            RowsOf(part.Across), plan.Skip, part.Diagonal, RowsOf(inputs.X), RowsOf(inputs.Z), RowsOf(gradients.Y),
            RowsOf(ofInputs.Z), RowsOf(g), RowsOf(gAcross), RowsOf(outputDots), diagonalDots));

        // Diagonal blocks.
        DeviceArray gInside = Allocate([count * length, channels]);
        DeviceArray gB = Allocate([count * length, groups * n]), gC = Allocate(gB.Shape);
        Multiply(
            SsdPart.PairsOf(part.Mix, shape.Heads), true, part.Heads(g, shape), false, part.Heads(gInside, shape),
            new(length, shape.HeadDim, length, count, shape.Heads), false);
        using (DeviceScope products = Scope())
        {
            DeviceArray gMix = Allocate(part.Mix.Shape);
            Multiply(
                part.Heads(g, shape), false, part.Heads(part.Input, shape), true,
                SsdPart.PairsOf(gMix, shape.Heads), new(length, length, shape.HeadDim, count, shape.Heads), false);
            DeviceArray gPairs = Allocate([count * groups * length, length], precision);
            (Plane plane, long launch, (int, int) threads) = PlaneOf(gPairs.Shape, flat: false);
            Launch(
                new SsdPairsBackwardKernel(
                    plane, plan.Chunks, first, shape, plan.Sums, part.Diagonal, diagonalDots, RowsOf(gMix),
                    RowsOf(gPairs)),
                launch,
                threads);
            ProductSizes ofPairs = new(length, n, length, count, groups);
            Multiply(
                SsdPart.PairsOf(gPairs, groups), false, part.Coupling(part.B, shape), false, part.Coupling(gC, shape),
                ofPairs, false);
            Multiply(
                SsdPart.PairsOf(gPairs, groups), true, part.Coupling(part.C, shape), false, part.Coupling(gB, shape),
                ofPairs, false);
            SsdPairDots(plan, part, gMix, pairDots);
        }

        // Inter-chunk terms and chunk states.
        DeviceArray gStates = Allocate([count * channels, n]), gToEnd = Allocate(gInside.Shape);
        Multiply(
            part.Groups(gAcross, shape), true, part.Coupling(part.C, shape), false, SsdPart.States(gStates, shape),
            new(channels / groups, n, length, count, groups), false);
        Multiply(
            part.Groups(gAcross, shape), false, SsdPart.States(part.Before, shape), false, part.Coupling(gC, shape),
            new(length, n, channels / groups, count, groups), true);
        SsdPassBack(gradients, plan, first, last, gStates, carry);
        using (DeviceScope products = Scope())
        {
            DeviceArray toEnd = InChunks<ByStepToEnd>(plan, first, count, inputs.X, precision);
            Multiply(
                part.Groups(toEnd, shape), false, SsdPart.States(gStates, shape), false, part.Coupling(gB, shape),
                new(length, n, channels / groups, count, groups), true);
        }

        Multiply(
            part.Coupling(part.B, shape), false, SsdPart.States(gStates, shape), true, part.Groups(gToEnd, shape),
            new(length, channels / groups, n, count, groups), false);

        DeviceArray inputDots = Allocate(outputDots.Shape), deltaDots = Allocate(outputDots.Shape);
        LaunchHeads(plan, count, new SsdInputBackwardKernel(
            (long)count * length * shape.Heads, plan.Chunks, first, shape, plan.Sums, plan.Delta, plan.Skip,
            part.Diagonal, diagonalDots, RowsOf(inputs.X), RowsOf(g), RowsOf(gInside), RowsOf(gToEnd),
            RowsOf(ofInputs.X), RowsOf(ofInputs.DiagonalScale), RowsOf(inputDots), RowsOf(deltaDots)));
        SsdDecaysBackward(
            ssd, gradients, plan, first, count, gStates, pairDots, outputDots, inputDots, deltaDots);
        Scatter(plan, first, gB, ofInputs.B);
        Scatter(plan, first, gC, ofInputs.C);
        if (ofInputs.D.Exists)
        {
            DeviceArray parts = Allocate([count, channels]);
            (Plane plane, long launch, (int, int) threads) = PlaneOf(parts.Shape, flat: false);
            Launch(
                new SsdSkipBackwardKernel(plane, plan.Chunks, first, RowsOf(inputs.X), RowsOf(g), RowsOf(parts)),
                launch,
                threads);
            AddParts(parts, ofD);
        }
    }

    private void SsdPassBack(
        in SsdOperation gradients, SsdPlan plan, int first, int last, DeviceArray gStates, DeviceArray carry)
    {
        int n = plan.Shape.States;
        (Plane plane, long groups, (int, int) threads) =
            PlaneOf([plan.Sequences * plan.Shape.Channels, n], flat: false);
        Launch(
            new SsdPassBackwardKernel(
                plane, plan.Chunks, first, last, plan.FirstOf, plan.Shape, plan.Sums,
                VectorOfRows(gradients.FinalState, n),
                RowsOf(gStates), RowsOf(carry), VectorOfRows(gradients.Inputs.InitialState, n)),
            groups,
            threads);
    }

    private void SsdDecaysBackward(
        in SsdOperation ssd,
        in SsdOperation gradients,
        SsdPlan plan,
        int first,
        int count,
        DeviceArray gStates,
        DeviceArray pairDots,
        DeviceArray outputDots,
        DeviceArray inputDots,
        DeviceArray deltaDots)
    {
        SsdShape shape = plan.Shape;
        DeviceArray stateDots = Allocate([count, shape.Heads]);
        Launch(
            new SsdStateDotKernel(
                plan.Chunks, first, shape, plan.Sums, VectorOfRows(ssd.Checkpoints, shape.States), RowsOf(gStates),
                RowsOf(stateDots)),
            (long)count * shape.Heads,
            GroupSize);
        DeviceArray aParts = Allocate([count, shape.Heads]), biasParts = Allocate(aParts.Shape);
        Launch(
            new SsdDecayBackwardKernel(
                plan.Chunks, first, count, shape, plan.Step, plan.Delta, RowsOf(pairDots), RowsOf(outputDots),
                RowsOf(inputDots), RowsOf(deltaDots), RowsOf(stateDots), RowsOf(gradients.Inputs.Weight),
                RowsOf(gradients.Inputs.LogDecay), RowsOf(aParts), RowsOf(biasParts)),
            Groups((long)count * shape.Heads, GroupSize),
            GroupSize);
        SsdInputs inputs = ssd.Inputs;
        DeviceArray target = gradients.Inputs.GivenA, ofA = GradientOfA(inputs.IsALog, target);
        AddPartsIfWanted(aParts, ofA);
        AddToLog(inputs.IsALog, inputs.GivenA, isComplex: false, ofA, target);
        AddPartsIfWanted(biasParts, gradients.Inputs.DeltaBias);
    }

    /// <summary>The gradient of each log decay a_j - a_{j-1} from the pairs s &lt; j ≤ t; overwrites gMix.</summary>
    private void SsdPairDots(SsdPlan plan, SsdPart part, DeviceArray gMix, DeviceArray dots)
    {
        (int length, int heads) = (plan.Chunks.Length, plan.Shape.Heads);
        (Plane plane, long groups, (int, int) threads) = PlaneOf([part.Count * heads, length], flat: false);
        Launch(new SsdMixSumKernel(plane, length, RowsOf(part.Mix), RowsOf(gMix)), groups, threads);
        int x = PowerOfTwo(length, Math.Max(GroupSize / 4, 1)), y = GroupSize / x;
        long rows = (long)part.Count * heads * length;
        Launch(
            new SsdMixDotKernel(rows, plan.Shape, length, RowsOf(gMix), RowsOf(dots)), (Groups(rows, y), 1), (x, y));
    }

    /// <summary>Adds rows in chunk layout to a gradient by tokens, unless the gradient is absent.</summary>
    private void Scatter(SsdPlan plan, int first, DeviceArray places, DeviceArray gradient)
    {
        if (gradient.Exists)
        {
            (Plane plane, long groups, (int, int) threads) = PlaneOf(places.Shape, flat: false);
            Launch(
                new SsdScatterKernel(plane, plan.Chunks, first, RowsOf(places), RowsOf(gradient)), groups, threads);
        }
    }

    /// <summary>Launches a kernel over the heads of all rows of a part in chunk layout.</summary>
    private void LaunchHeads<TKernel>(SsdPlan plan, int count, in TKernel kernel)
        where TKernel : struct, IKernel
    {
        int x = PowerOfTwo(plan.Shape.HeadDim, Math.Max(GroupSize / 4, 1)), y = GroupSize / x;
        Launch(kernel, (Groups((long)count * plan.Chunks.Length * plan.Shape.Heads, y), 1), (x, y));
    }
}
