using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// <c>Σ gh·exp(a_last)·h</c>, with h the state before a chunk and gh the gradient of the state after it: the gradient
/// of a_last through the state that passes the chunk. One group per head of a chunk.
/// </summary>
internal readonly struct SsdStateDotKernel(
    GpuChunks chunks, int firstChunk, SsdShape shape, SsdSums sums, GpuRows states, GpuRows gStates, GpuRows dots)
    : IKernel
{
    public void Run()
    {
        int head = Grid.IdxX % shape.Heads, index = Grid.IdxX / shape.Heads, chunk = firstChunk + index;
        int before = chunk + chunks.Sequence(chunk), size = shape.HeadDim * shape.States;
        float sum = 0f;
        for (int i = Group.LinearIndex; i < size; i += Group.Dimension.Size)
        {
            int channel = (head * shape.HeadDim) + (i / shape.States), n = i % shape.States;
            sum += states.Load(((long)before * shape.Channels) + channel, n)
                * gStates.Load(((long)index * shape.Channels) + channel, n);
        }

        sum = GroupSum.Sum(sum);
        if (Group.LinearIndex == 0)
        {
            dots.Store(index, head, sum * sums.FromStart(chunk, chunks.Length - 1, head));
        }
    }
}

/// <summary>
/// The gradients of Δ, its bias and A, or of given weights and decays. The gradient of token j's log decay sums all
/// terms that contain this decay: pairs s &lt; j ≤ t; outputs from j on, through the state before the chunk; inputs
/// before j, through the state after the chunk; and the state that passes the chunk. It adds only, because differences
/// of cumulative sums would lose digits. One thread per head of a chunk.
/// </summary>
internal readonly struct SsdDecayBackwardKernel(
    GpuChunks chunks,
    int firstChunk,
    int count,
    SsdShape shape,
    SsdStep step,
    GpuRows delta,
    GpuRows pairDots,
    GpuRows outputDots,
    GpuRows inputDots,
    GpuRows deltaDots,
    GpuRows stateDots,
    GpuRows gDelta,
    GpuRows gLogDecay,
    GpuRows aParts,
    GpuRows biasParts) : IKernel
{
    public void Run()
    {
        long thread = Grid.GlobalLinearIndex;
        if (thread >= (long)count * shape.Heads)
        {
            return;
        }

        int index = (int)(thread / shape.Heads), head = (int)(thread % shape.Heads), chunk = firstChunk + index;
        int tokens = chunks.Tokens(chunk);
        long first = chunks.Start(chunk), place = (long)index * chunks.Length;

        // Terms through the state after the chunk, as a running sum from the first token on, added to the pairs' sums.
        float behind = stateDots.Load(index, head);
        for (int t = 0; t < tokens; t++)
        {
            pairDots.Add(place + t, head, behind);
            behind += inputDots.Load(place + t, head);
        }

        // The limit of A·exp(Δ·A) at A = -∞ is 0, but -∞·0 is NaN.
        float a = GpuLane.Max(new(step.A(head)), new(-float.MaxValue)).Value;
        float before = 0f, ofA = 0f, ofBias = 0f;
        for (int t = tokens - 1; t >= 0; t--)
        {
            before += outputDots.Load(place + t, head);
            float value = delta.Load(((long)chunk * chunks.Length) + t, head);
            float sum = OfExponent(
                pairDots.Load(place + t, head) + before, step.LogDecay(first + t, head, value, a));
            ofA += sum * value;
            float slope = step.Slope(step.Input(first + t, head));
            float gradient = ((sum * a) + deltaDots.Load(place + t, head)) * slope;
            ofBias += gradient;
            if (gDelta.Exists)
            {
                gDelta.Add(first + t, head, gradient);
            }

            if (gLogDecay.Exists)
            {
                gLogDecay.Add(first + t, head, sum);
            }
        }

        aParts.Store(index, head, ofA);
        biasParts.Store(index, head, ofBias);
    }

    /// <summary>The gradient of a log decay: 0 if the log decay exceeds 0, which clamps it; NaN if it is NaN.</summary>
    private static float OfExponent(float gradient, float exponent)
    {
        float limited = exponent > 0f ? 0f : gradient;
        return float.IsNaN(exponent) ? exponent : limited;
    }
}
