using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.StateSpace;

namespace Mamba.Layers;

/// <summary>The Mamba-1 mixer: a gated, convolved, selective scan between two projections.</summary>
/// <remarks>Gu and Dao, <see href="https://arxiv.org/abs/2312.00752"/>, section 3.4 and Algorithm 2.</remarks>
public sealed class MambaMixer : RecurrentMixer
{
    private readonly MambaMixerOptions _options;

    /// <summary>Makes the mixer.</summary>
    /// <param name="device">Where the weights live.</param>
    /// <param name="options">Sizes and options.</param>
    /// <param name="random">Source of the first weights; null leaves them unset, for a loader to fill.</param>
    /// <param name="outputScale">
    /// Factor of the output projection's first weights: 1/√(number of layers) in a model.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">An option makes no sense.</exception>
    public MambaMixer(Device device, MambaMixerOptions options, Random? random, double outputScale = 1)
        : base(
            device,
            new(device, Valid(options).InnerDim, options.ConvWidth, options.ConvBias, random),
            [options.StateDim, options.InnerDim],
            options.LearnableInitialState,
            random)
    {
        _options = options;
        (int inner, int states, int rank) = (options.InnerDim, options.StateDim, options.TimeStepRank);

        InProjection = AddModule(
            "in_projection",
            new Linear(device, options.ModelDim, (options.Gate ? 2 : 1) * inner, options.Bias, random));
        XProjection = AddModule("x_projection", new Linear(device, inner, rank + (2 * states), false, random));
        double range = options.TimeStepScale / Math.Sqrt(rank);
        TimeStepWeight = AddParameter(
            "dt_projection.weight",
            [inner, rank],
            options.ConstantTimeStepWeights
                ? Initial.Constant(random, (float)range)
                : Initial.Uniform(random, -range, range),
            decays: true);
        TimeStepBias = AddParameter(
            "dt_projection.bias",
            [inner],
            random is null ? null : values => TimeSteps.FillBias(
                random, values, options.TimeStepMin, options.TimeStepMax, options.TimeStepFloor));
        ALog = AddParameter("a_log", [states, inner], random is null ? null : LogOfStateIndex);
        D = AddParameter("d", [inner], Initial.Constant(random, 1f));
        OutProjection = AddModule(
            "out_projection", new Linear(device, inner, options.ModelDim, options.Bias, random, outputScale));
    }

    /// <summary>Makes x of the input, and z where there is a gate.</summary>
    public override Linear InProjection { get; }

    /// <summary>Makes Δ (of low rank), B and C of x.</summary>
    public Linear XProjection { get; }

    /// <summary>Widens Δ to every channel, shape [innerDim, timeStepRank].</summary>
    public Parameter TimeStepWeight { get; }

    /// <summary>Added to Δ before softplus, shape [innerDim].</summary>
    public Parameter TimeStepBias { get; }

    /// <summary>log(-A), shape [states, innerDim].</summary>
    public Parameter ALog { get; }

    /// <summary>The skip connection, shape [innerDim].</summary>
    public Parameter D { get; }

    /// <inheritdoc/>
    public override Linear OutProjection { get; }

    /// <summary>
    /// The mixer without its projections: convolution, selection, scan, and the gate if there is one.
    /// </summary>
    /// <param name="x">Shape [batch, length, innerDim].</param>
    /// <param name="z">The gate, of the same shape; <c>default</c>: the output is not gated.</param>
    /// <param name="state">As in <see cref="RecurrentMixer.Forward"/>.</param>
    /// <param name="segments">As in <see cref="RecurrentMixer.Forward"/>.</param>
    /// <returns>Shape [batch, length, innerDim].</returns>
    /// <exception cref="ArgumentException">A shape, or the state's number of sequences, does not fit.</exception>
    public DeviceArray Core(
        DeviceArray x, DeviceArray z = default, LayerState? state = null, Segments? segments = null) =>
        Core(new Operands(x, z), state, segments);

    private protected override (DeviceArray Y, DeviceArray Hidden) Scan(
        in Operands operands, DeviceArray hidden, Segments? segments) =>
        Functions.SelectiveScan(Inputs(operands) with { InitialState = hidden }, segments);

    private protected override DeviceArray ScanStep(in Operands operands, DeviceArray hidden) =>
        Functions.SelectiveScanStep(Inputs(operands), hidden);

    /// <summary>What the scan takes: Δ, B and C are made of x, which is the selection (section 3.2).</summary>
    private ScanInputs Inputs(in Operands operands)
    {
        (int states, int rank) = (_options.StateDim, _options.TimeStepRank);
        DeviceArray selected = XProjection.Forward(operands.X);
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
            X = operands.X,
            Delta = Functions.Linear(delta, TimeStepWeight.Value),
            A = Functions.NegatedExp(ALog.Value),
            B = b,
            C = c,
            D = D.Value,
            Z = operands.Z,
            DeltaBias = TimeStepBias.Value,
            Softplus = true,
        };
    }

    /// <summary>A_n = -(n + 1), S4D-Real.</summary>
    private void LogOfStateIndex(Span<float> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = MathF.Log((i / _options.InnerDim) + 1);
        }
    }
}
