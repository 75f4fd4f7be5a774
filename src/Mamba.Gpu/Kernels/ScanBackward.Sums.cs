using ILGPU;
using Mamba.Kernels;

namespace Mamba.Gpu.Kernels;

/// <content>What is summed over the states of a channel, or over the channels of a tile.</content>
internal readonly partial struct ScanBackwardKernel<TNumbers, TCouplings>
{
    /// <summary>The gradients that need h: of z, <c>gy·y·silu'(z)</c>, and of C, <c>Σ gy·h</c> over channels.</summary>
    private void OfOutput(ScanBackwardChunk chunk, ScanPlace place, long token, int count, int first)
    {
        if (scan.HasConstantC == 0 && gradients.C.Exists)
        {
            AddLanes(chunk, chunk.OutputGradient, gradients.C, place, token, count, first, isReading: true);
        }

        for (int t = Group.IdxY; t < count && place.IsInside && gradients.Z.Exists; t += Group.DimY)
        {
            float y = first == 0
                ? scan.D.LoadOr(0, place.Channel, 0f) * scan.X.Load(token + t, place.Channel)
                : 0f;
            for (int slot = 0; slot < Group.DimY; slot++)
            {
                int own = (t * Group.DimY) + slot;
                Quad c = TCouplings.MayBeConstant && scan.HasConstantC != 0
                    ? scan.LoadState<TNumbers>(scan.C, 0, first + (4 * slot), place.Channel)
                    : chunk.Tokens.C[own];
                y += (TNumbers.Reading(c) * chunk.States[(own * Group.DimX) + Group.IdxX]).Sum;
            }

            float slope = Quad.DerivativeOf<Elementwise.Silu>(scan.Z.Load(token + t, place.Channel));
            gradients.Z.Add(token + t, place.Channel, gradients.Y.LoadOr(token + t, place.Channel, 0f) * y * slope);
        }
    }

    /// <summary>The gradients that need g: of Δ·x and so of x and Δ, and of B, <c>Σ g·Δ·x</c> over channels.</summary>
    private void OfInput(
        ScanBackwardChunk chunk, ScanPlace place, long token, int count, int first, ref float gd, ref float gbias)
    {
        if (scan.HasConstantB == 0 && gradients.B.Exists)
        {
            AddLanes(chunk, chunk.Tokens.Input, gradients.B, place, token, count, first, isReading: false);
        }

        for (int t = Group.IdxY; t < count && place.IsInside; t += Group.DimY)
        {
            float gInput = 0f, gDelta = 0f;
            for (int slot = 0; slot < Group.DimY; slot++)
            {
                int own = (t * Group.DimY) + slot, here = (own * Group.DimX) + Group.IdxX;
                Quad b = TCouplings.MayBeConstant && scan.HasConstantB != 0
                    ? scan.LoadState<TNumbers>(scan.B, 0, first + (4 * slot), place.Channel)
                    : chunk.Tokens.B[own];
                gInput += (b * chunk.States[here]).Sum;
                gDelta += chunk.ToDelta[here];
            }

            int at = (t * Group.DimX) + Group.IdxX;
            float x = scan.X.Load(token + t, place.Channel);
            gDelta = ((x * gInput) + gDelta) * scan.StepSlopeOf(token + t, place.Channel);
            float gx = gInput * chunk.Tokens.Delta[at];
            gbias += gDelta;
            if (first == 0)
            {
                gx += scan.D.LoadOr(0, place.Channel, 0f) * chunk.OutputGradient[at];
                gd += x * chunk.OutputGradient[at];
            }

            AddTo(gradients.X, token + t, place.Channel, gx);
            AddTo(gradients.Delta, token + t, place.Channel, gDelta);
        }
    }

    /// <summary>Weighed sums, over the lanes, of what is in the states' place, for every token and slot.</summary>
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
            // Neighbours start at different lanes, which lie in different banks of the memory.
            int t = i / Group.DimY, lane = i & (Group.DimX - 1);
            Quad sum = default;
            for (int j = 0; j < Group.DimX; j++)
            {
                sum += chunk.States[(i * Group.DimX) + lane] * weights[(t * Group.DimX) + lane];
                lane = (lane + 1) & (Group.DimX - 1);
            }

            Quad value = isReading ? TNumbers.Reading(sum) : sum;
            int number = first + (4 * (i % Group.DimY));
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

    private static void AddTo(GpuRows target, long row, int column, float value)
    {
        if (target.Exists)
        {
            target.Add(row, column, value);
        }
    }

    /// <summary>Sets a sequence's own sum for a channel to that of the slots.</summary>
    private static void AddSlots(ScanBackwardChunk chunk, ScanPlace place, GpuRows target, float value)
    {
        chunk.ToDelta[(Group.IdxY * Group.DimX) + Group.IdxX] = value;
        Group.Barrier();
        if (Group.IdxY == 0 && place.IsInside && target.Exists)
        {
            float sum = 0f;
            for (int slot = 0; slot < Group.DimY; slot++)
            {
                sum += chunk.ToDelta[(slot * Group.DimX) + Group.IdxX];
            }

            target.Store(place.Sequence, place.Channel, sum);
        }

        Group.Barrier();
    }
}
