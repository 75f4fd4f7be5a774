using Mamba.Kernels;
using Mamba.Simd;

namespace Mamba.Gpu.Kernels;

/// <summary>How Δ of the SSD is made: <c>clamp(softplus(δ + bias), min, max)</c>.</summary>
internal readonly struct SsdStep(GpuRows delta, GpuRows bias, bool softplus, float minimum, float maximum)
{
    private readonly int _softplus = softplus ? 1 : 0;

    /// <summary>What goes into softplus.</summary>
    public float Input(long token, int head) => delta.Load(token, head) + bias.LoadOr(0, head, 0f);

    /// <summary>Δ.</summary>
    public float Of(float input)
    {
        float value = Positive(input);
        return value < minimum ? minimum : value > maximum ? maximum : value;
    }

    /// <summary>The derivative of Δ by the input: 0 beyond the limits.</summary>
    public float Slope(float input)
    {
        float value = Positive(input);
        float slope = _softplus != 0 ? Quad.DerivativeOf<Elementwise.Softplus>(input) : 1f;
        return value < minimum || value > maximum ? 0f : slope;
    }

    private float Positive(float input) => _softplus != 0 ? Quad.Of<Elementwise.Softplus>(input) : input;
}

/// <summary>
/// The sums a_t of Δ·A up to each token of a chunk, as two floats each, for decays are differences of sums: behind
/// tokens of strong decay one float would lose the digits of weak ones (a sum of -500 is good to 3e-5 only).
/// Rows of [chunks·length, heads].
/// </summary>
internal readonly struct SsdSums(GpuRows sums, GpuRows rests, int length)
{
    /// <summary>exp(a_t), of a token of a chunk: what is left of the state before the chunk.</summary>
    public float FromStart(int chunk, int t, int head)
    {
        long row = ((long)chunk * length) + t;
        return Exp(sums.Load(row, head) + rests.Load(row, head));
    }

    /// <summary>exp(a_t - a_s), s no later than t.</summary>
    public float Between(int chunk, int t, int s, int head)
    {
        long rowT = ((long)chunk * length) + t, rowS = ((long)chunk * length) + s;
        float whole = sums.Load(rowT, head) - sums.Load(rowS, head);
        return Exp(whole + (rests.Load(rowT, head) - rests.Load(rowS, head)));
    }

    /// <summary>exp(a_last - a_t): what is left at the end of the chunk of what came in at t.</summary>
    public float ToEnd(int chunk, int t, int head) => Between(chunk, length - 1, t, head);

    /// <summary>Sets a_t.</summary>
    public void Set(int chunk, int t, int head, float sum, float rest)
    {
        long row = ((long)chunk * length) + t;
        sums.Store(row, head, sum);
        rests.Store(row, head, rest);
    }

    private static float Exp(float x) => LaneMath.Exp(new GpuLane(x < 0f ? x : 0f)).Value;
}

/// <summary>Δ and a of every token of every chunk, a thread for each head of a chunk; padding has Δ = 0.</summary>
internal readonly struct SsdDecayKernel(
    GpuChunks chunks, int count, SsdShape shape, SsdStep step, GpuRows a, GpuRows delta, SsdSums sums) : IKernel
{
    public void Run()
    {
        long thread = ILGPU.Grid.GlobalLinearIndex;
        if (thread >= (long)count * shape.Heads)
        {
            return;
        }

        int chunk = (int)(thread / shape.Heads), head = (int)(thread % shape.Heads);
        int first = chunks.Start(chunk), tokens = chunks.Tokens(chunk);
        float decay = a.Load(0, head), sum = 0f, rest = 0f;
        for (int t = 0; t < chunks.Length; t++)
        {
            float value = t < tokens ? step.Of(step.Input(first + t, head)) : 0f;
            float term = value * decay;

            // Knuth's exact addition: sum + term = next + what the rounding lost.
            float next = sum + term, added = next - sum;
            rest += (sum - (next - added)) + (term - added);
            sum = next;
            delta.Store(((long)chunk * chunks.Length) + t, head, value);
            sums.Set(chunk, t, head, sum, rest);
        }
    }
}
