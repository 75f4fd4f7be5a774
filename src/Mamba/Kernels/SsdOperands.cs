using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>The inputs of an SSD in memory, or their gradients; null if absent. A row is a token.</summary>
internal readonly unsafe struct SsdOperands
{
    public Rows X { get; init; }

    /// <summary>Δ before bias, softplus and limits: the weight of a token's input.</summary>
    public Rows Delta { get; init; }

    /// <summary>The logarithms of the decays; null if they are Δ·A.</summary>
    public Rows LogDecay { get; init; }

    /// <summary>The weight of a token's input in its own output; null if it is Δ.</summary>
    public Rows DiagonalScale { get; init; }

    public Rows B { get; init; }

    public Rows C { get; init; }

    public Rows Z { get; init; }

    public float* A { get; init; }

    public float* D { get; init; }

    public float* DeltaBias { get; init; }

    public float* InitialState { get; init; }

    /// <summary>Elements of D per head: 1, or one per channel.</summary>
    public int WidthOfD { get; init; }

    public int HeadDim { get; init; }

    public int States { get; init; }

    public int HeadsPerGroup { get; init; }

    public bool Softplus { get; init; }

    public float DeltaMin { get; init; }

    public float DeltaMax { get; init; }

    /// <summary>
    /// The operands of one head from a token on. The caller selects the sequence's state and sums over tokens.
    /// </summary>
    public SsdOperands At(nint token, int head)
    {
        int channel = head * HeadDim, state = head / HeadsPerGroup * States;
        return this with
        {
            X = X.At(token, channel),
            Delta = Delta.At(token, head),
            LogDecay = LogDecay.At(token, head),
            DiagonalScale = DiagonalScale.At(token, head),
            B = B.At(token, state),
            C = C.At(token, state),
            Z = Z.At(token, channel),
            A = A == null ? null : A + head,
            D = D == null ? null : D + (head * WidthOfD),
            DeltaBias = DeltaBias == null ? null : DeltaBias + head,
        };
    }

    /// <summary>Computes Δ of one token for one head.</summary>
    public float DeltaAt(nint token)
    {
        Lane delta = new(*Delta[token] + (DeltaBias == null ? 0f : *DeltaBias));
        delta = Softplus ? LaneMath.Softplus(delta) : delta;
        return Math.Min(Math.Max(delta.Value, DeltaMin), DeltaMax);
    }

    /// <summary>Computes the logarithm of one token's decay for one head, from its Δ.</summary>
    public float LogDecayAt(nint token, float delta) =>
        Math.Min(LogDecay.IsNull ? delta * *A : *LogDecay[token], 0f);

    /// <summary>
    /// Computes <c>dΔ/d(delta)</c> of one token for one head: the slope of softplus, or 0 outside the limits.
    /// </summary>
    public float DeltaSlopeAt(nint token)
    {
        Lane raw = new(*Delta[token] + (DeltaBias == null ? 0f : *DeltaBias));
        float delta = Softplus ? LaneMath.Softplus(raw).Value : raw.Value;
        float slope = Softplus ? LaneMath.Sigmoid(raw).Value : 1f;
        return delta < DeltaMin || delta > DeltaMax ? 0f : slope;
    }

    /// <summary>Computes <c>y += D·x</c> for the channels of one head; does nothing if D is null.</summary>
    public void AddSkip(float* x, float* y)
    {
        if (D == null)
        {
            return;
        }

        if (WidthOfD == 1)
        {
            Elementwise.AddScaled(x, *D, y, HeadDim);
        }
        else
        {
            RowMath.AddProduct(x, D, y, HeadDim);
        }
    }
}
