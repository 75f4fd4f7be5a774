namespace Mamba.Gpu.Kernels;

/// <summary>The factors of one step of AdamW.</summary>
/// <param name="decay"><c>η·λ</c>.</param>
/// <param name="gain1"><c>1 - β₁</c>.</param>
/// <param name="gain2"><c>1 - β₂</c>.</param>
/// <param name="rate"><c>η/(1 - β₁^t)</c>.</param>
/// <param name="root"><c>1/√(1 - β₂^t)</c>.</param>
/// <param name="epsilon">ε.</param>
internal readonly struct AdamWFactors(
    float decay, float gain1, float gain2, float rate, float root, float epsilon)
{
    public float Decay { get; } = decay;

    public float Gain1 { get; } = gain1;

    public float Gain2 { get; } = gain2;

    public float Rate { get; } = rate;

    public float Root { get; } = root;

    public float Epsilon { get; } = epsilon;
}

/// <summary>
/// <c>m += (1 - β₁)·(g - m)</c>, <c>v += (1 - β₂)·(g² - v)</c>, <c>p -= ηλ·p + rate·m/(√v·root + ε)</c>.
/// </summary>
internal readonly struct AdamWKernel(
    Plane plane, GpuRows p, GpuRows g, GpuRows m, GpuRows v, AdamWFactors factors) : IKernel
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (!plane.Contains(row, column))
        {
            return;
        }

        Quad gradient = g.LoadQuad(row, column, plane.Width), first = m.LoadQuad(row, column, plane.Width);
        Quad second = v.LoadQuad(row, column, plane.Width), parameter = p.LoadQuad(row, column, plane.Width);
        first += (gradient - first) * factors.Gain1;
        second += ((gradient * gradient) - second) * factors.Gain2;
        parameter -= parameter * factors.Decay;
        Quad move = new(
            Move(first.X, second.X), Move(first.Y, second.Y), Move(first.Z, second.Z), Move(first.W, second.W));
        p.StoreQuad(row, column, plane.Width, parameter - move);
        m.StoreQuad(row, column, plane.Width, first);
        v.StoreQuad(row, column, plane.Width, second);
    }

    private float Move(float first, float second) =>
        factors.Rate * (first / ((MathF.Sqrt(second) * factors.Root) + factors.Epsilon));
}
