using Mamba.Kernels;
using Mamba.Simd;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// How Δ of the SSD is made, <c>clamp(softplus(δ + bias), min, max)</c>, and the logarithm of the decay: Δ·A, or given.
/// </summary>
internal readonly struct SsdStep(
    GpuRows delta, GpuRows bias, bool softplus, float minimum, float maximum, GpuRows a, GpuRows logDecay)
{
    private const float StrongestExponent = -200f;

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

    /// <summary>A; 0 if the decays are given.</summary>
    public float A(int head) => a.LoadOr(0, head, 0f);

    /// <summary>The logarithm of a token's decay, of its Δ and A or as it is given.</summary>
    public float LogDecay(long token, int head, float delta, float a) =>
        logDecay.Exists ? logDecay.Load(token, head) : delta * a;

    /// <summary>
    /// A logarithm of a decay as it decays: not above 0, and not below what leaves nothing. Added up as they are,
    /// stronger ones would take the digits of the weak ones behind them, and pass what a float holds, where differences
    /// are -∞ + ∞.
    /// </summary>
    public static float Exponent(float logDecay) =>
        GpuLane.Clamp(new(logDecay), new(StrongestExponent), new(0f)).Value;

    private float Positive(float input) => _softplus != 0 ? Quad.Of<Elementwise.Softplus>(input) : input;
}

/// <summary>
/// The sums a_t of Δ·A up to each token of a chunk, as two floats each, for decays are differences of sums: behind
/// tokens of strong decay one float would lose the digits of weak ones (a sum of -500 is good to 3e-5 only).
/// Rows of [chunks·heads, length]: the tokens of a head are neighbours.
/// </summary>
internal readonly struct SsdSums(GpuRows sums, GpuRows rests, int heads, int length)
{
    /// <summary>exp(a_t), of a token of a chunk: what is left of the state before the chunk.</summary>
    public float FromStart(int chunk, int t, int head)
    {
        int row = RowOf(chunk, head);
        return Exp(sums.Load(row, t) + rests.Load(row, t));
    }

    /// <summary>exp(a_t - a_s) of four neighbouring s, from one that 4 divides on; 0 where s is later than t.</summary>
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

    /// <summary>exp(a_last - a_t): what is left at the end of the chunk of what came in at t.</summary>
    public float ToEnd(int chunk, int t, int head)
    {
        int row = RowOf(chunk, head);
        float whole = sums.Load(row, length - 1) - sums.Load(row, t);
        return Exp(whole + (rests.Load(row, length - 1) - rests.Load(row, t)));
    }

    /// <summary>Sets a_t of four neighbouring t, from one that 4 divides on.</summary>
    public void Set(int chunk, int t, int head, Quad sum, Quad rest)
    {
        int row = RowOf(chunk, head);
        sums.StoreQuad(row, t, length, sum);
        rests.StoreQuad(row, t, length, rest);
    }

    private int RowOf(int chunk, int head) => (chunk * heads) + head;

    private static float Exp(float x) => LaneMath.Exp(GpuLane.Min(new(x), new(0f))).Value;
}

/// <summary>Δ and a of every token of every chunk, a thread for each head of a chunk; padding has Δ = 0.</summary>
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
            Quad value = default, terms = default; // in padding 0 whatever A is: 0·-∞ would be NaN
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

    /// <summary>Δ of four tokens, of which some are left; 0 behind them. All four are on their way together.</summary>
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
