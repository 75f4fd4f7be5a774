using Mamba.Kernels;
using Mamba.Simd;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// The step size of the SSD, Δ = <c>clamp(softplus(δ + bias), min, max)</c>, and the log decay: Δ·A, or given.
/// </summary>
internal readonly struct SsdStep(
    GpuRows delta, GpuRows bias, bool softplus, float minimum, float maximum, GpuRows a, bool isALog, GpuRows logDecay)
{
    private const float StrongestExponent = -200f;

    private readonly int _softplus = softplus ? 1 : 0;
    private readonly int _isALog = isALog ? 1 : 0;

    /// <summary>The input of softplus.</summary>
    public float Input(long token, int head) => delta.Load(token, head) + bias.LoadOr(0, head, 0f);

    /// <summary>Δ.</summary>
    public float Of(float input)
    {
        float value = Positive(input);
        return value < minimum ? minimum : value > maximum ? maximum : value;
    }

    /// <summary>The derivative of Δ with respect to the input: 0 outside of the limits.</summary>
    public float Slope(float input)
    {
        float value = Positive(input);
        float slope = _softplus != 0 ? Quad.DerivativeOf<Elementwise.Softplus>(input) : 1f;
        return value < minimum || value > maximum ? 0f : slope;
    }

    /// <summary>A; 0 if the decays are given.</summary>
    public float A(int head)
    {
        float given = a.LoadOr(0, head, 0f);
        return _isALog != 0 ? Quad.Of<Elementwise.NegatedExp>(given) : given;
    }

    /// <summary>The log decay of a token: Δ·A, or given.</summary>
    public float LogDecay(long token, int head, float delta, float a) =>
        logDecay.Exists ? logDecay.Load(token, head) : delta * a;

    /// <summary>
    /// Clamps a log decay to [-200, 0]. exp(-200) is 0 in float32. In a cumulative sum, stronger decays would cost the
    /// digits of weak decays after them, and an overflow to -∞ would make differences -∞ + ∞ = NaN.
    /// </summary>
    public static float Exponent(float logDecay) =>
        GpuLane.Clamp(new(logDecay), new(StrongestExponent), new(0f)).Value;

    private float Positive(float input) => _softplus != 0 ? Quad.Of<Elementwise.Softplus>(input) : input;
}

/// <summary>
/// Cumulative sums a_t of the log decays of a chunk, as two floats each, because decays are differences of sums. After
/// tokens of strong decay, one float would lose the digits of weak decays (a sum of -500 has an error of 3e-5).
/// Rows of [chunks·heads, length]: the tokens of a head are adjacent.
/// </summary>
internal readonly struct SsdSums(GpuRows sums, GpuRows rests, int heads, int length)
{
    /// <summary>exp(a_t) of a token of a chunk: the decay since the chunk's start.</summary>
    public float FromStart(int chunk, int t, int head)
    {
        int row = RowOf(chunk, head);
        return Exp(sums.Load(row, t) + rests.Load(row, t));
    }

    /// <summary>exp(a_t - a_s) for s to s + 3, s a multiple of four; 0 for s &gt; t.</summary>
    public Quad Between(int chunk, int t, int s, int head)
    {
        int row = RowOf(chunk, head);
        Quad from = sums.LoadQuad(row, s, length), fromRests = rests.LoadQuad(row, s, length);
        float to = sums.Load(row, t), toRest = rests.Load(row, t);
        return new(
            s <= t ? Exp((to - from.X) + (toRest - fromRests.X)) : 0f,
            s + 1 <= t ? Exp((to - from.Y) + (toRest - fromRests.Y)) : 0f,
            s + 2 <= t ? Exp((to - from.Z) + (toRest - fromRests.Z)) : 0f,
            s + 3 <= t ? Exp((to - from.W) + (toRest - fromRests.W)) : 0f);
    }

    /// <summary>exp(a_last - a_t): the decay from token t to the chunk's end.</summary>
    public float ToEnd(int chunk, int t, int head)
    {
        int row = RowOf(chunk, head);
        float whole = sums.Load(row, length - 1) - sums.Load(row, t);
        return Exp(whole + (rests.Load(row, length - 1) - rests.Load(row, t)));
    }

    /// <summary>Sets a_t for t to t + 3, t a multiple of four.</summary>
    public void Set(int chunk, int t, int head, Quad sum, Quad rest)
    {
        int row = RowOf(chunk, head);
        sums.StoreQuad(row, t, length, sum);
        rests.StoreQuad(row, t, length, rest);
    }

    private int RowOf(int chunk, int head) => (chunk * heads) + head;

    private static float Exp(float x) => LaneMath.Exp(GpuLane.Min(new(x), new(0f))).Value;
}

/// <summary>Computes Δ and a_t of all chunks, one thread per head of a chunk; padding has Δ = 0.</summary>
internal readonly struct SsdDecayKernel(
    GpuChunks chunks, int count, SsdShape shape, SsdStep step, GpuRows delta, SsdSums sums) : IKernel
{
    public void Run()
    {
        long thread = ILGPU.Grid.GlobalLinearIndex;
        if (thread >= (long)count * shape.Heads)
        {
            return;
        }

        int chunk = (int)thread / shape.Heads, head = (int)thread % shape.Heads;
        int first = chunks.Start(chunk), tokens = chunks.Tokens(chunk);
        float a = step.A(head);
        Twofold sum = default;
        for (int t = 0; t < chunks.Length; t += 4)
        {
            Quad value = default, terms = default; // 0 in padding whatever A is: 0·-∞ would be NaN
            if (t < tokens)
            {
                value = Deltas(first + t, tokens - t, head);
                terms = Exponents(first + t, tokens - t, head, value, a).Take(tokens - t, 0f);
            }

            Twofold s0 = sum + terms.X, s1 = s0 + terms.Y, s2 = s1 + terms.Z, s3 = s2 + terms.W;
            sum = s3;
            Store(chunk, t, head, value.X);
            Store(chunk, t + 1, head, value.Y);
            Store(chunk, t + 2, head, value.Z);
            Store(chunk, t + 3, head, value.W);
            sums.Set(chunk, t, head, new(s0.High, s1.High, s2.High, s3.High), new(s0.Low, s1.Low, s2.Low, s3.Low));
        }
    }

    /// <summary>Δ of four tokens; 0 from <paramref name="left"/> on. All four loads are in flight at once.</summary>
    private Quad Deltas(int token, int left, int head)
    {
        float x = step.Input(token, head), y = step.Input(token + (left > 1 ? 1 : 0), head);
        float z = step.Input(token + (left > 2 ? 2 : 0), head), w = step.Input(token + (left > 3 ? 3 : 0), head);
        return new Quad(step.Of(x), step.Of(y), step.Of(z), step.Of(w)).Take(left, 0f);
    }

    private Quad Exponents(int token, int left, int head, Quad delta, float a) => new(
        SsdStep.Exponent(step.LogDecay(token, head, delta.X, a)),
        SsdStep.Exponent(step.LogDecay(token + (left > 1 ? 1 : 0), head, delta.Y, a)),
        SsdStep.Exponent(step.LogDecay(token + (left > 2 ? 2 : 0), head, delta.Z, a)),
        SsdStep.Exponent(step.LogDecay(token + (left > 3 ? 3 : 0), head, delta.W, a)));

    private void Store(int chunk, int t, int head, float value)
    {
        if (t < chunks.Length)
        {
            delta.Store((chunk * chunks.Length) + t, head, value);
        }
    }
}
