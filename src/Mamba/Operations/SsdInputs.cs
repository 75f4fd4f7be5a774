using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>The inputs of the state-space dual (SSD) of Mamba-2.</summary>
/// <remarks>
/// <c>h_t = exp(Δ_t·A)·h_{t-1} + Δ_t·x_t ⊗ B_t</c>, <c>y_t = h_t·C_t + D·x_t</c>, then <c>y_t·silu(z_t)</c> if there is
/// a gate. For every head, h is a matrix [headDim, states] and A is one number. Dao and Gu,
/// <see href="https://arxiv.org/abs/2405.21060"/>, section 6, with the discretisation of the released models
/// (exponential Euler). Head k of H uses group <c>k / (H / G)</c> of B and C.
/// Δ is <c>clamp(softplus(delta + bias), DeltaMin, DeltaMax)</c>; outside the limits its gradient is 0.
/// <para>
/// <see cref="LogDecay"/> and <see cref="InputScale"/> replace Δ and A by a decay and a weight for every token:
/// <c>h_t = exp(LogDecay_t)·h_{t-1} + InputScale_t·x_t ⊗ B_t</c>. With <see cref="DiagonalScale"/>, the weight of a
/// token's input in its own output differs from its weight for later tokens:
/// <c>y_t = exp(LogDecay_t)·h_{t-1}·C_t + DiagonalScale_t·(B_t·C_t)·x_t + D·x_t</c>. Both together express the
/// exponential-trapezoidal rule of Mamba-3 as one scan (<see href="https://arxiv.org/abs/2603.15569"/>).
/// </para>
/// </remarks>
/// <example>
/// <code>
/// // Causal linear attention without a feature map or a normaliser: no decay, and every token has the weight 1.
/// float[] ones = [.. Enumerable.Repeat(1f, batch * length * heads)];
/// (DeviceArray y, DeviceArray state) = Functions.Ssd(new()
/// {
///     X = values,                                       // [batch, length, heads·headDim]
///     B = keys,                                         // [batch, length, states]
///     C = queries,
///     LogDecay = device.Zeros([batch, length, heads]),
///     InputScale = device.Array([batch, length, heads], ones),
/// });
/// </code>
/// </example>
public readonly record struct SsdInputs
{
    /// <summary>Creates inputs without limits on Δ.</summary>
    public SsdInputs()
    {
    }

    /// <summary>x, shape [batch, length, heads·headDim].</summary>
    public required DeviceArray X { get; init; }

    /// <summary>
    /// Δ before bias, softplus and limits are applied, shape [batch, length, heads]; absent if <see cref="LogDecay"/>
    /// is given.
    /// </summary>
    public DeviceArray Delta { get; init; }

    /// <summary>
    /// A: negative, shape [heads]; absent if <see cref="ALog"/> or <see cref="LogDecay"/> is given. Setting it replaces
    /// <see cref="ALog"/>.
    /// </summary>
    /// <remarks>
    /// A value of Δ·A above 0 counts as 0, in the output and in the gradient of A, so no state grows (in a selective
    /// scan it may). A of -∞ clears the state. With Δ = 0 the product with -∞ is NaN, and so is the output from that
    /// token on.
    /// </remarks>
    public DeviceArray A
    {
        get => IsALog ? default : GivenA;
        init => (GivenA, IsALog) = (value, false);
    }

    /// <summary>
    /// A as <c>log(-A)</c>, shape [heads]. The SSD computes A where it reads it. Setting it replaces <see cref="A"/>.
    /// </summary>
    public DeviceArray ALog
    {
        get => IsALog ? GivenA : default;
        init => (GivenA, IsALog) = (value, true);
    }

    /// <summary>
    /// The logarithm of every token's decay, at most 0, shape [batch, length, heads]. Replaces Δ·A, together with
    /// <see cref="InputScale"/>. A value above 0 counts as 0 and gets no gradient.
    /// </summary>
    public DeviceArray LogDecay { get; init; }

    /// <summary>The weight of every token's input to the state, in the shape of <see cref="LogDecay"/>.</summary>
    public DeviceArray InputScale { get; init; }

    /// <summary>
    /// The weight of a token's input in its own output, shape [batch, length, heads]. If absent, it is the weight in
    /// the state: Δ or <see cref="InputScale"/>.
    /// </summary>
    public DeviceArray DiagonalScale { get; init; }

    /// <summary>B, shape [batch, length, groups·states].</summary>
    public required DeviceArray B { get; init; }

    /// <summary>C, in the shape of B.</summary>
    public required DeviceArray C { get; init; }

    /// <summary>D, shape [heads] or [heads·headDim]; optional.</summary>
    public DeviceArray D { get; init; }

    /// <summary>The gate z, in the shape of x; optional.</summary>
    public DeviceArray Z { get; init; }

    /// <summary>The bias of delta, added before softplus, shape [heads]; optional.</summary>
    public DeviceArray DeltaBias { get; init; }

    /// <summary>
    /// h before the first token, shape [sequences, heads, headDim, states]; zeros if absent. The sequences are the rows
    /// of the batch, or its segments.
    /// </summary>
    public DeviceArray InitialState { get; init; }

    /// <summary>Whether softplus, <c>log(1 + e^delta)</c>, is applied to delta.</summary>
    public bool Softplus { get; init; }

    /// <summary>Lower limit of Δ.</summary>
    public float DeltaMin { get; init; }

    /// <summary>Upper limit of Δ.</summary>
    public float DeltaMax { get; init; } = float.PositiveInfinity;

    /// <summary>Number of groups of heads; the heads of a group share B and C.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>
    /// Tokens per chunk; 0 lets the device choose. It affects only the rounding, and a kernel may have a length of its
    /// own.
    /// </summary>
    public int ChunkLength { get; init; }

    /// <summary><see cref="A"/> or <see cref="ALog"/>.</summary>
    internal DeviceArray GivenA { get; init; }

    /// <summary>Whether <see cref="GivenA"/> is the logarithm.</summary>
    internal bool IsALog { get; private init; }

    /// <summary>Replaces the operands by other arrays.</summary>
    internal SsdInputs Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with
        {
            X = map.Operand(X),
            Delta = map.Operand(Delta),
            GivenA = map.Operand(GivenA),
            LogDecay = map.Operand(LogDecay),
            InputScale = map.Operand(InputScale),
            DiagonalScale = map.Operand(DiagonalScale),
            B = map.Operand(B),
            C = map.Operand(C),
            D = map.Operand(D),
            Z = map.Operand(Z),
            DeltaBias = map.Operand(DeltaBias),
            InitialState = map.Operand(InitialState),
        };

    /// <summary>These inputs as sequences of one token, with an initial state.</summary>
    internal SsdInputs AsToken(DeviceArray state) =>
        MapTokens(static array => array.AsToken()) with { InitialState = state, ChunkLength = 0 };

    /// <summary>Replaces the arrays that have a token axis and are not absent.</summary>
    internal SsdInputs MapTokens(Func<DeviceArray, DeviceArray> map)
    {
        return this with
        {
            X = Map(X),
            Delta = Map(Delta),
            LogDecay = Map(LogDecay),
            InputScale = Map(InputScale),
            DiagonalScale = Map(DiagonalScale),
            B = Map(B),
            C = Map(C),
            Z = Map(Z),
        };

        DeviceArray Map(DeviceArray array) => array.Exists ? map(array) : array;
    }

    /// <summary>
    /// The weight of a token's input: <see cref="Delta"/> before it becomes Δ, or <see cref="InputScale"/>, which is
    /// used as it is.
    /// </summary>
    internal DeviceArray Weight => InputScale.Exists ? InputScale : Delta;

    /// <summary>The limits of <see cref="Weight"/>.</summary>
    internal (float Least, float Greatest) WeightLimits =>
        InputScale.Exists ? (float.NegativeInfinity, float.PositiveInfinity) : (DeltaMin, DeltaMax);
}
