using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.StateSpace;

namespace Mamba.Layers;

/// <summary>
/// A selective state-space model (S6): projections compute Δ, B and C for each token, and a selective scan runs over
/// them. It is the core of a <see cref="MambaMixer"/>, without convolution and outer projections.
/// </summary>
/// <remarks>
/// Gu and Dao, <see href="https://arxiv.org/abs/2312.00752"/>, section 3.2 and Algorithm 2. Some published models add
/// other layers around it, share it between directions, or change the selection. <see cref="Select"/> returns the
/// operands of the scan, and each of them can be replaced.
/// </remarks>
/// <example>
/// A core that scans each sequence backwards, without the skip connection D:
/// <code>
/// SelectiveSsm ssm = new(device, new MambaMixerOptions { ModelDim = 96, InnerDim = 192 }, random);
/// DeviceArray reversed = Functions.Flip(x, axis: 1);                              // [batch, length, 192]
/// ScanInputs inputs = ssm.Select(reversed) with { D = default };
/// DeviceArray y = Functions.Flip(Functions.SelectiveScan(inputs).Y, axis: 1);
/// </code>
/// </example>
public sealed class SelectiveSsm : Module, ILayer
{
    private readonly MambaMixerOptions _options;

    /// <summary>Makes the layer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="options">
    /// Sizes and initial values. The model's width only affects the defaults of the inner width and the rank of Δ.
    /// Options of the convolution and the outer projections are ignored.
    /// </param>
    /// <param name="random">Random source of the initial weights; null leaves them unset, for a loader to fill.</param>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    public SelectiveSsm(Device device, MambaMixerOptions options, Random? random)
        : this(device, options, random, null)
    {
    }

    /// <summary>
    /// Makes the layer; if <paramref name="shared"/> is given, everything except A is shared with it.
    /// </summary>
    internal SelectiveSsm(Device device, MambaMixerOptions options, Random? random, SelectiveSsm? shared)
        : base(device)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        (int inner, int states, int rank) = (options.InnerDim, options.StateDim, options.TimeStepRank);
        XProjection = shared?.XProjection ?? AddModule(
            "x_projection", new Linear(device, inner, rank + (2 * states), false, random));
        double range = options.TimeStepScale / Math.Sqrt(rank);
        TimeStep = shared?.TimeStep ?? AddModule(
            "dt_projection",
            new Linear(
                device,
                [inner, rank],
                options.ConstantTimeStepWeights
                    ? Initial.Constant(random, (float)range)
                    : Initial.Uniform(random, -range, range),
                random is null ? null : values => TimeSteps.FillBias(
                    random, values, options.TimeStepMin, options.TimeStepMax, options.TimeStepFloor)));
        ALog = AddParameter("a_log", [states, inner], random is null ? null : LogOfStateIndex);
        D = shared?.D ?? AddParameter("d", [inner], Initial.Constant(random, 1f));
        if (options.ParameterNormWeights)
        {
            TimeStepNorm = shared?.TimeStepNorm ?? NormWeight("dt_norm", rank);
            BNorm = shared?.BNorm ?? NormWeight("b_norm", states);
            CNorm = shared?.CNorm ?? NormWeight("c_norm", states);
        }

        Parameter NormWeight(string name, int width) =>
            AddParameter($"{name}.weight", [width], Initial.Constant(random, 1f));
    }

    /// <summary>Projects x to Δ (low-rank), B and C.</summary>
    public Linear XProjection { get; }

    /// <summary>
    /// Projects the low-rank Δ to all channels; its weight has shape [innerDim, timeStepRank]. The scan adds its bias,
    /// [innerDim], to Δ before softplus.
    /// </summary>
    public Linear TimeStep { get; }

    /// <summary>log(-A), shape [states, innerDim].</summary>
    public Parameter ALog { get; }

    /// <summary>The skip connection, shape [innerDim].</summary>
    public Parameter D { get; }

    /// <summary>Weights of the norm of the low-rank Δ, shape [timeStepRank]; null: none.</summary>
    public Parameter? TimeStepNorm { get; }

    /// <summary>Weights of the norm of B, shape [states]; null: none.</summary>
    public Parameter? BNorm { get; }

    /// <summary>Weights of the norm of C, shape [states]; null: none.</summary>
    public Parameter? CNorm { get; }

    /// <summary>
    /// Computes the operands of the scan: Δ, B and C from x, and A (as <see cref="ScanInputs.ALog"/>) and D, which do
    /// not depend on the token.
    /// </summary>
    /// <param name="x">Shape [batch, length, innerDim], or [batch, innerDim] for one token of each sequence.</param>
    /// <returns>The operands, without a gate and an initial state. Use <c>with</c> to change any of them.</returns>
    /// <exception cref="ArgumentException">x has another width.</exception>
    public ScanInputs Select(DeviceArray x)
    {
        (DeviceArray delta, DeviceArray b, DeviceArray c) = LowRank(x);
        return Inputs(x, TimeStep.Multiply(delta), b, c);
    }

    /// <summary>Selects and scans one token of each sequence, and updates h in place.</summary>
    internal DeviceArray Step(DeviceArray x, DeviceArray z, DeviceArray hidden, StateSlots? slots)
    {
        if (TimeStep.Adapter is not null)
        {
            return Functions.SelectiveScanStep(Select(x) with { Z = z }, hidden, slots);
        }

        (DeviceArray delta, DeviceArray b, DeviceArray c) = LowRank(x);
        LinearOperation timeStep = TimeStep.OperationOn(delta);
        ScanInputs inputs = Inputs(x, timeStep.Y, b, c) with { Z = z };
        ScanOperation scan = new ScanOperation
        {
            Inputs = inputs.AsToken(hidden),
            Slots = slots,
            FinalState = hidden,
        }.Prepare(Device, keep: false);
        Device.StepScan(timeStep, scan);
        return scan.Y.Reshape(x.Shape);
    }

    /// <summary>Δ before its projection, B and C.</summary>
    private (DeviceArray Delta, DeviceArray B, DeviceArray C) LowRank(DeviceArray x)
    {
        (int states, int rank) = (_options.StateDim, _options.TimeStepRank);
        DeviceArray selected = XProjection.Forward(x);
        DeviceArray delta = selected.Slice(0, rank), b = selected.Slice(rank, states);
        DeviceArray c = selected.Slice(rank + states, states);
        if (_options.ParameterNormEpsilon is { } epsilon)
        {
            delta = Functions.RmsNorm(delta, Optional(TimeStepNorm), epsilon);
            b = Functions.RmsNorm(b, Optional(BNorm), epsilon);
            c = Functions.RmsNorm(c, Optional(CNorm), epsilon);
        }

        return (delta, b, c);
    }

    private ScanInputs Inputs(DeviceArray x, DeviceArray delta, DeviceArray b, DeviceArray c) => new()
    {
        X = x,
        Delta = delta,
        ALog = ALog.Value,
        B = b,
        C = c,
        D = D.Value,
        DeltaBias = Optional(TimeStep.Bias),
        Softplus = true,
    };

    /// <summary>Selects and scans whole sequences; h starts at zero.</summary>
    /// <param name="x">Shape [batch, length, innerDim].</param>
    /// <param name="z">A gate of the shape of x; <c>default</c> disables it.</param>
    /// <param name="segments">Packed sequences, which stay independent; null: one sequence per row.</param>
    /// <returns>The same shape as x.</returns>
    /// <exception cref="ArgumentException">A shape does not fit.</exception>
    public DeviceArray Forward(DeviceArray x, DeviceArray z = default, Segments? segments = null) =>
        Functions.SelectiveScan(Select(x) with { Z = z }, segments).Y;

    /// <inheritdoc/>
    DeviceArray ILayer.Forward(DeviceArray x) => Forward(x);

    /// <summary>A_n = -(n + 1), S4D-Real.</summary>
    private void LogOfStateIndex(Span<float> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = MathF.Log((i / _options.InnerDim) + 1);
        }
    }
}
