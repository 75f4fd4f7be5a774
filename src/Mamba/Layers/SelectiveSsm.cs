using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.StateSpace;

namespace Mamba.Layers;

/// <summary>
/// A selective state-space model (S6): projections make Δ, B and C of every token, and a selective scan runs over them.
/// It is the core of a <see cref="MambaMixer"/>, without convolution and without the outer projections.
/// </summary>
/// <remarks>
/// Gu and Dao, <see href="https://arxiv.org/abs/2312.00752"/>, section 3.2 and Algorithm 2. Published systems put other
/// layers around it, share it between directions, or change what it selects: <see cref="Select"/> gives the operands of
/// the scan, of which any can be replaced.
/// </remarks>
/// <example>
/// A core that sees each sequence from its end, without the tokens' skip connection:
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
    /// Sizes and first values. The width of the model matters only for what is not set: the inner width and the rank of
    /// Δ. What belongs to convolution and outer projections is ignored.
    /// </param>
    /// <param name="random">Random source of the initial weights; null leaves them unset, for a loader to fill.</param>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    public SelectiveSsm(Device device, MambaMixerOptions options, Random? random)
        : this(device, options, random, null)
    {
    }

    /// <summary>Makes the layer; all but A is another's, if one is given.</summary>
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
    }

    /// <summary>Makes Δ (of low rank), B and C of x.</summary>
    public Linear XProjection { get; }

    /// <summary>
    /// Widens Δ to every channel: weight of shape [innerDim, timeStepRank]. The scan adds its bias, [innerDim], to Δ
    /// before softplus.
    /// </summary>
    public Linear TimeStep { get; }

    /// <summary>log(-A), shape [states, innerDim].</summary>
    public Parameter ALog { get; }

    /// <summary>The skip connection, shape [innerDim].</summary>
    public Parameter D { get; }

    /// <summary>Makes the operands of the scan: Δ, B and C of x, and A and D, which are the same for all tokens.</summary>
    /// <param name="x">Shape [batch, length, innerDim], or [batch, innerDim] for one token of each sequence.</param>
    /// <returns>The operands, without a gate and an initial state; change any of them by <c>with</c>.</returns>
    /// <exception cref="ArgumentException">x has another width.</exception>
    public ScanInputs Select(DeviceArray x)
    {
        (int states, int rank) = (_options.StateDim, _options.TimeStepRank);
        DeviceArray selected = XProjection.Forward(x);
        DeviceArray delta = selected.Slice(0, rank), b = selected.Slice(rank, states);
        DeviceArray c = selected.Slice(rank + states, states);
        if (_options.ParameterNormEpsilon is { } epsilon)
        {
            delta = Functions.RmsNorm(delta, default, epsilon);
            b = Functions.RmsNorm(b, default, epsilon);
            c = Functions.RmsNorm(c, default, epsilon);
        }

        return new()
        {
            X = x,
            Delta = TimeStep.Multiply(delta),
            A = Functions.NegatedExp(ALog.Value),
            B = b,
            C = c,
            D = D.Value,
            DeltaBias = Optional(TimeStep.Bias),
            Softplus = true,
        };
    }

    /// <summary>Selects and scans whole sequences from a state of zeros.</summary>
    /// <param name="x">Shape [batch, length, innerDim].</param>
    /// <param name="z">A gate in the shape of x; <c>default</c>: the output is not gated.</param>
    /// <param name="segments">Packed sequences, which stay independent; null: one sequence per row.</param>
    /// <returns>The shape of x.</returns>
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
