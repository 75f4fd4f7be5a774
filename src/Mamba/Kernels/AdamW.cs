using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>The AdamW update of a parameter.</summary>
/// <remarks>Loshchilov and Hutter, <see href="https://arxiv.org/abs/1711.05101"/>.</remarks>
internal static unsafe class AdamW
{
    /// <summary>Updates a parameter p and its moments m and v from its gradient g.</summary>
    public static void Update(float* p, float* g, float* m, float* v, nint length, AdamWStep step)
    {
        nint i = 0;
        if (Width.Has512) { i = Update<Lanes512>(p, g, m, v, i, length, step); }
        if (Width.Has256) { i = Update<Lanes256>(p, g, m, v, i, length, step); }
        if (Width.Has128) { i = Update<Lanes128>(p, g, m, v, i, length, step); }
        Update<Lane>(p, g, m, v, i, length, step);
    }

    private static nint Update<TLanes>(float* p, float* g, float* m, float* v, nint i, nint length, AdamWStep step)
        where TLanes : struct, ILanes<TLanes>
    {
        // p - ηλ·p and m + (1 - β)·(g - m), because float32 rounds a factor near 1, such as 1 - 1e-6, by up to 6e-8.
        TLanes decay = TLanes.Broadcast((float)-step.Decay);
        TLanes gain1 = TLanes.Broadcast((float)(1 - step.Beta1));
        TLanes gain2 = TLanes.Broadcast((float)(1 - step.Beta2));
        TLanes rate = TLanes.Broadcast((float)-step.CorrectedLearningRate);
        TLanes root = TLanes.Broadcast((float)step.RootCorrection);
        TLanes epsilon = TLanes.Broadcast((float)step.Epsilon);
        for (; i <= length - TLanes.Count; i += TLanes.Count)
        {
            TLanes gradient = TLanes.Load(g + i);
            TLanes first = TLanes.Load(m + i);
            TLanes second = TLanes.Load(v + i);
            TLanes parameter = TLanes.Load(p + i);
            first = TLanes.MultiplyAdd(gain1, gradient - first, first);
            second = TLanes.MultiplyAdd(gain2, (gradient * gradient) - second, second);
            parameter = TLanes.MultiplyAdd(decay, parameter, parameter);
            TLanes denominator = TLanes.MultiplyAdd(TLanes.Sqrt(second), root, epsilon);
            TLanes.Store(TLanes.MultiplyAdd(rate, first / denominator, parameter), p + i);
            TLanes.Store(first, m + i);
            TLanes.Store(second, v + i);
        }

        return i;
    }
}
