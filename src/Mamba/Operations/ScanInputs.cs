using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>The inputs of the selective scan of Mamba-1.</summary>
/// <remarks>
/// <c>h_t = exp(Δ_t·A)·h_{t-1} + Δ_t·B_t·x_t</c>, <c>y_t = C_t·h_t + D·x_t</c>, then <c>y_t·silu(z_t)</c> if there is a
/// gate: Gu and Dao, <see href="https://arxiv.org/abs/2312.00752"/>, Algorithm 2, with the discretisation of the
/// released models (exponential Euler). If A is complex, B and C are complex, and <c>y_t = 2·Re(C_t·h_t) + D·x_t</c>.
/// Channel c of E uses group <c>c / (E / G)</c> of B and C.
/// </remarks>
/// <example>
/// <code>
/// ScanInputs inputs = new()
/// {
///     X = x,                                                            // [batch, length, channels]
///     Delta = projected,
///     ALog = device.Zeros([states, channels]),                          // A = -1
///     B = keys,                                                         // [batch, length, states]
///     C = queries,
///     Softplus = true,
/// };
/// (DeviceArray y, DeviceArray state) = Functions.SelectiveScan(inputs);
/// </code>
/// </example>
public readonly record struct ScanInputs
{
    /// <summary>x, shape [batch, length, channels].</summary>
    public required DeviceArray X { get; init; }

    /// <summary>Δ before <see cref="DeltaBias"/> and <see cref="Softplus"/> are applied, in the shape of x.</summary>
    public required DeviceArray Delta { get; init; }

    /// <summary>
    /// A: [states, channels], or [2, states, channels] if complex, real parts first; absent if <see cref="ALog"/> is
    /// given. Setting it replaces that.
    /// </summary>
    public DeviceArray A
    {
        get => IsALog ? default : GivenA;
        init => (GivenA, IsALog) = (value, false);
    }

    /// <summary>
    /// A as <c>log(-A)</c>, in the layout of A; if A is complex, <c>log(-Re A)</c> and <c>Im A</c>. The scan computes A
    /// where it reads it. Setting it replaces <see cref="A"/>.
    /// </summary>
    public DeviceArray ALog
    {
        get => IsALog ? GivenA : default;
        init => (GivenA, IsALog) = (value, true);
    }

    /// <summary>
    /// B of every token: [batch, length, groups·states], or [batch, length, groups·states·2] if complex, each real part
    /// followed by its imaginary part. With <see cref="HasConstantB"/>, in the shape of A.
    /// </summary>
    public required DeviceArray B { get; init; }

    /// <summary>C, in the layout of B, or in the shape of A with <see cref="HasConstantC"/>.</summary>
    public required DeviceArray C { get; init; }

    /// <summary>D, shape [channels]; optional.</summary>
    public DeviceArray D { get; init; }

    /// <summary>The gate z, in the shape of x; optional.</summary>
    public DeviceArray Z { get; init; }

    /// <summary>The bias of Δ, added before softplus, shape [channels]; optional.</summary>
    public DeviceArray DeltaBias { get; init; }

    /// <summary>
    /// h before the first token: [sequences, states, channels], or [sequences, 2, states, channels] if complex; zeros
    /// if absent. The sequences are the rows of the batch, or its segments.
    /// </summary>
    public DeviceArray InitialState { get; init; }

    /// <summary>Whether B is the same for all tokens.</summary>
    public bool HasConstantB { get; init; }

    /// <summary>Whether C is the same for all tokens.</summary>
    public bool HasConstantC { get; init; }

    /// <summary>Whether softplus, <c>log(1 + e^Δ)</c>, is applied to Δ.</summary>
    public bool Softplus { get; init; }

    /// <summary><see cref="A"/> or <see cref="ALog"/>.</summary>
    internal DeviceArray GivenA { get; init; }

    /// <summary>Whether <see cref="GivenA"/> is the logarithm.</summary>
    internal bool IsALog { get; private init; }

    /// <summary>Replaces the operands by other arrays.</summary>
    internal ScanInputs Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with
        {
            X = map.Operand(X),
            Delta = map.Operand(Delta),
            GivenA = map.Operand(GivenA),
            B = map.Operand(B),
            C = map.Operand(C),
            D = map.Operand(D),
            Z = map.Operand(Z),
            DeltaBias = map.Operand(DeltaBias),
            InitialState = map.Operand(InitialState),
        };

    /// <summary>These inputs as sequences of one token, with an initial state.</summary>
    internal ScanInputs AsToken(DeviceArray state) =>
        MapTokens(static array => array.AsToken()) with { InitialState = state };

    /// <summary>Replaces the arrays that have a token axis and are not absent.</summary>
    internal ScanInputs MapTokens(Func<DeviceArray, DeviceArray> map)
    {
        return this with
        {
            X = Map(X),
            Delta = Map(Delta),
            B = HasConstantB ? B : Map(B),
            C = HasConstantC ? C : Map(C),
            Z = Map(Z),
        };

        DeviceArray Map(DeviceArray array) => array.Exists ? map(array) : array;
    }
}
