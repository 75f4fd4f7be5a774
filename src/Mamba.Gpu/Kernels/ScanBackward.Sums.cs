using ILGPU;
using Mamba.Kernels;

namespace Mamba.Gpu.Kernels;

/// <content>Sums over the states of a channel, or over the channels of a tile.</content>
internal readonly partial struct ScanBackwardKernel<TNumbers, TCouplings>
{
    /// <summary>The gradients that need h: of z, <c>gy·y·silu'(z)</c>, and of C, <c>Σ gy·h</c> over channels.</summary>
    private void OfOutput(ScanBackwardChunk chunk, ScanPlace place, long token, int count, int first, float skip)
    {
        if (scan.HasConstantC == 0 && gradients.C.Exists)
        {
            AddLanes(chunk, chunk.OutputGradient, gradients.C, place, token, count, first, isReading: true);
        }

        for (int t = Group.IdxY; t < count && place.IsInside && gradients.Z.Exists; t += 4 * Group.DimY)
        {
            ScanFour four = new(token, t, count, place.Channel);
            Quad z = four.Load(scan.Z), x = four.Load(scan.X), gy = four.LoadOr0(gradients.Y);
            Quad before = four.Load(gradients.Z);
            Quad y = (x * skip) + new Quad(
                OutputOf(chunk, place, four.Place(0), first),
                OutputOf(chunk, place, four.Place(1), first),
                OutputOf(chunk, place, four.Place(2), first),
                OutputOf(chunk, place, four.Place(3), first));
            four.Store(gradients.Z, before + (gy * y * Quad.Derivative<Elementwise.Silu>(z)));
        }
    }

    /// <summary>C·h over the states of the current pass.</summary>
    private float OutputOf(ScanBackwardChunk chunk, ScanPlace place, int t, int first)
    {
        float sum = 0f;
        for (int slot = 0; slot < Group.DimY; slot++)
        {
            Quad c = TCouplings.MayBeConstant && scan.HasConstantC != 0
                ? scan.LoadState<TNumbers>(scan.C, 0, first + (4 * slot), place.Channel)
                : chunk.Tokens.C[(t * ScanConstants.MaxSlots) + slot];
            sum += (TNumbers.Reading(c) * chunk.States[ScanChunk.StateAt(t, slot)]).Sum;
        }

        return sum;
    }

    /// <summary>The gradients that need g: of Δ·x, x and Δ, and of B, <c>Σ g·Δ·x</c> over channels.</summary>
    private void OfInput(
        ScanBackwardChunk chunk,
        ScanPlace place,
        long token,
        int count,
        int first,
        float bias,
        float skip,
        ref float gd,
        ref float gbias)
    {
        if (scan.HasConstantB == 0 && gradients.B.Exists)
        {
            AddLanes(chunk, chunk.Tokens.Input, gradients.B, place, token, count, first, isReading: false);
        }

        for (int t = Group.IdxY; t < count && place.IsInside; t += 4 * Group.DimY)
        {
            ScanFour four = new(token, t, count, place.Channel);
            Quad x = four.Load(scan.X), delta = four.Load(scan.Delta) + Quad.Broadcast(bias);
            Quad gxBefore = four.LoadOr0(gradients.X), gDeltaBefore = four.LoadOr0(gradients.Delta);
            Pair g0 = InputOf(chunk, place, four.Place(0), first), g1 = InputOf(chunk, place, four.Place(1), first);
            Pair g2 = InputOf(chunk, place, four.Place(2), first), g3 = InputOf(chunk, place, four.Place(3), first);
            Quad gInput = new(g0.A, g1.A, g2.A, g3.A);
            Quad gDelta = ((x * gInput) + new Quad(g0.B, g1.B, g2.B, g3.B)) * scan.StepSlopeOf(delta);
            Quad gy = ScanChunk.Four(chunk.OutputGradient, four);
            Quad gx = (gInput * ScanChunk.Four(chunk.Tokens.Delta, four)) + (gy * skip);
            gbias += four.Sum(gDelta);
            gd += first == 0 ? four.Sum(x * gy) : 0f;
            if (gradients.X.Exists)
            {
                four.Store(gradients.X, gxBefore + gx);
            }

            if (gradients.Delta.Exists)
            {
                four.Store(gradients.Delta, gDeltaBefore + gDelta);
            }
        }
    }

    /// <summary>Over the states of the current pass: the gradient of Δ·x, and that of Δ in exp(Δ·A).</summary>
    private Pair InputOf(ScanBackwardChunk chunk, ScanPlace place, int t, int first)
    {
        float input = 0f, delta = 0f;
        for (int slot = 0; slot < Group.DimY; slot++)
        {
            int here = ScanChunk.StateAt(t, slot);
            Quad b = TCouplings.MayBeConstant && scan.HasConstantB != 0
                ? scan.LoadState<TNumbers>(scan.B, 0, first + (4 * slot), place.Channel)
                : chunk.Tokens.B[(t * ScanConstants.MaxSlots) + slot];
            input += (b * chunk.States[here]).Sum;
            delta += chunk.ToDelta[here];
        }

        return new(input, delta);
    }

    /// <summary>Sums of the chunk's states times weights, over the lanes, for every token and slot.</summary>
    private void AddLanes(
        ScanBackwardChunk chunk,
        ArrayView<float> weights,
        GpuRows target,
        ScanPlace place,
        long token,
        int count,
        int first,
        bool isReading)
    {
        long start = (long)place.Group * scan.Numbers;
        long row = ((long)place.Tile * gradients.Tokens) + token;
        int threads = Group.DimX * Group.DimY;
        for (int i = (Group.IdxY * Group.DimX) + Group.IdxX; i < count * Group.DimY; i += threads)
        {
            // Neighbouring threads start at different lanes, which are in different banks of shared memory.
            int t = i / Group.DimY, slot = i % Group.DimY, lane = i & (Group.DimX - 1);
            int states = ((t * ScanConstants.MaxSlots) + slot) * ScanConstants.MaxLanes;
            int values = t * ScanConstants.MaxLanes;
            Quad sum = default;
            for (int j = 0; j < Group.DimX; j++)
            {
                sum += chunk.States[states + lane] * weights[values + lane];
                lane = (lane + 1) & (Group.DimX - 1);
            }

            Quad value = isReading ? TNumbers.Reading(sum) : sum;
            int number = first + (4 * slot);
            StoreToken(target, row + t, start + number, start + scan.Numbers, value);
        }
    }

    private static void StoreToken(GpuRows target, long row, long column, long end, Quad value)
    {
        if ((column & 3) == 0)
        {
            target.StoreQuad(row, column, end, value);
            return;
        }

        if (column < end)
        {
            target.Store(row, column, value.X);
        }

        if (column + 1 < end)
        {
            target.Store(row, column + 1, value.Y);
        }

        if (column + 2 < end)
        {
            target.Store(row, column + 2, value.Z);
        }

        if (column + 3 < end)
        {
            target.Store(row, column + 3, value.W);
        }
    }

    /// <summary>Stores the sum over the slots as a sequence's sum for a channel.</summary>
    private static void AddSlots(ScanBackwardChunk chunk, ScanPlace place, GpuRows target, float value)
    {
        chunk.ToDelta[ScanChunk.StateAt(0, Group.IdxY)] = value;
        Group.Barrier();
        if (Group.IdxY == 0 && place.IsInside && target.Exists)
        {
            float sum = 0f;
            for (int slot = 0; slot < Group.DimY; slot++)
            {
                sum += chunk.ToDelta[ScanChunk.StateAt(0, slot)];
            }

            target.Store(place.Sequence, place.Channel, sum);
        }

        Group.Barrier();
    }
}
