using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;
using Mamba.StateSpace;

namespace Mamba.Layers;

/// <summary>
/// The Mamba-2 mixer: each head has one scalar decay, and the scan is computed as a state-space dual (SSD).
/// </summary>
/// <remarks>
/// Dao and Gu, <see href="https://arxiv.org/abs/2405.21060"/>, section 7. The rows of the input projection are [z0, x0,
/// z, x, B, C, Δ]. z0 and x0 belong to a gated MLP beside the state-space part; they exist only if
/// <see cref="Mamba2MixerOptions.SsmDim"/> is less than the inner width. z exists only with a gate.
/// </remarks>
/// <example>
/// <code>
/// using Mamba2Mixer mixer = new(device, new() { ModelDim = 128, StateDim = 64, HeadDim = 32 }, new Random(1));
/// using DeviceScope scope = device.Scope();
/// DeviceArray y = mixer.Forward(device.Array([1, 10, 128], tokens));
/// </code>
/// </example>
public sealed class Mamba2Mixer : RecurrentMixer
{
    private readonly Mamba2MixerOptions _options;
    private readonly DeviceArray _convScales;

    /// <summary>Makes the mixer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="options">Sizes and options.</param>
    /// <param name="random">Random source of the initial weights; null leaves them unset, for a loader to fill.</param>
    /// <param name="outputScale">
    /// Scale of the output projection's initial weights: 1/√(number of layers) in a model.
    /// </param>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    public Mamba2Mixer(Device device, Mamba2MixerOptions options, Random? random, double outputScale = 1)
        : this(device, options, random, outputScale, null, null)
    {
    }

    /// <summary>
    /// Makes a mixer that shares another mixer's projections and norm, and the core of a third one except A. Null:
    /// makes its own.
    /// </summary>
    private Mamba2Mixer(
        Device device,
        Mamba2MixerOptions options,
        Random? random,
        double outputScale,
        Mamba2Mixer? outer,
        Mamba2Mixer? core)
        : base(
            device,
            core is null ? new(device, Valid(options).ConvDim, options.ConvWidth, options.ConvBias, random) : null,
            [options.Heads, options.HeadDim, options.StateDim],
            options.LearnableInitialState,
            random,
            core)
    {
        _options = options;
        int heads = options.Heads;

        InProjection = outer?.InProjection ?? AddModule(
            "in_projection",
            new Linear(
                device,
                options.ModelDim,
                (2 * (options.InnerDim - options.SsmDim)) + options.GateDim + options.ConvDim + heads,
                options.Bias,
                random));
        TimeStepBias = core?.TimeStepBias ?? AddParameter(
            "dt_bias",
            [heads],
            random is null ? null : values => TimeSteps.FillBias(
                random, values, options.TimeStepMin, options.TimeStepMax, options.TimeStepFloor));
        ALog = AddParameter("a_log", [heads], random is null ? null : values => LogOfUniform(values, random));
        D = core?.D ?? AddParameter("d", [options.DPerChannel ? options.SsmDim : heads], Initial.Constant(random, 1f));
        Norm = outer is not null ? outer.Norm
            : options.Norm ? AddParameter("norm.weight", [options.SsmDim], Initial.Constant(random, 1f))
            : null;
        OutProjection = outer?.OutProjection ?? AddModule(
            "out_projection",
            new Linear(device, options.InnerDim, options.ModelDim, options.OutBias, random, outputScale));
        if (options.ProjectionScales is { } scales)
        {
            _convScales = AddBuffer("convolution_scales", [options.ConvDim], values => scales.Fill(values, options));
        }
    }

    /// <summary>Projects the input to z (if there is a gate), x, B, C and Δ.</summary>
    public override Linear InProjection { get; }

    /// <summary>Added to Δ before softplus, shape [heads].</summary>
    public Parameter TimeStepBias { get; }

    /// <summary>log(-A), shape [heads].</summary>
    public Parameter ALog { get; }

    /// <summary>The skip connection, shape [heads], or [ssmDim] with one value per channel.</summary>
    public Parameter D { get; }

    /// <summary>The weights of the norm, shape [ssmDim]; null if absent.</summary>
    public Parameter? Norm { get; }

    /// <inheritdoc/>
    public override Linear OutProjection { get; }

    /// <summary>The mixer without projections, gate and norm: the convolution and the state-space dual.</summary>
    /// <param name="xbc">x, B and C concatenated, before the convolution: shape [batch, length, convDim].</param>
    /// <param name="delta">Δ before bias and softplus, shape [batch, length, heads].</param>
    /// <param name="z">A gate, shape [batch, length, ssmDim]; <c>default</c> disables it.</param>
    /// <param name="state">As in <see cref="RecurrentMixer.Forward"/>.</param>
    /// <param name="segments">As in <see cref="RecurrentMixer.Forward"/>.</param>
    /// <returns>Shape [batch, length, ssmDim].</returns>
    /// <exception cref="ArgumentException">A shape or the state's batch does not fit.</exception>
    public DeviceArray Core(
        DeviceArray xbc,
        DeviceArray delta,
        DeviceArray z = default,
        LayerState? state = null,
        Segments? segments = null) =>
        Core(new Operands(xbc, z, delta), state, segments);

    internal override bool StepsFromStream => base.StepsFromStream && _options.ProjectionScales is null;

    internal override int CoreDim => _options.SsmDim;

    internal override Mamba2Mixer CreateSibling(DirectionTying tying, Random? random) =>
        new(Device, _options, random, 1, this, tying == DirectionTying.AllButA ? this : null);

    private protected override Operands Split(DeviceArray projected)
    {
        int start = (2 * MlpDim) + _options.GateDim;
        DeviceArray x = projected.Slice(start, _options.ConvDim);
        DeviceArray delta = projected.Slice(start + _options.ConvDim, _options.Heads);
        if (_options.ProjectionScales is { } scales)
        {
            (x, delta) = (Functions.Multiply(x, _convScales), Functions.Scaled(delta, scales.Delta));
        }

        return new(x, _options.Norm ? default : Gate(projected), delta);
    }

    private protected override (DeviceArray Y, DeviceArray Hidden) Scan(
        in Operands operands, DeviceArray hidden, Segments? segments, ScanOrder? order) =>
        Functions.Ssd(Inputs(operands) with { InitialState = hidden }, segments, order);

    private protected override DeviceArray ScanStep(
        in Operands operands, DeviceArray hidden, StateSlots? slots) =>
        Functions.SsdStep(Inputs(operands), hidden, slots);

    /// <summary>
    /// Applies gate and norm, and prepends the MLP part, whose z0 and x0 are the first columns of the projection.
    /// </summary>
    private protected override DeviceArray Finish(DeviceArray y, DeviceArray projected)
    {
        if (Norm is not null && !_options.Gate)
        {
            y = Functions.RmsNorm(y, Norm.Value, _options.NormEpsilon);
        }
        else if (Norm is not null)
        {
            int? group = _options.UngroupedNorm ? null : _options.SsmDim / _options.Groups;
            y = Functions.GatedRmsNorm(
                y, Gate(projected), Norm.Value, default, _options.NormEpsilon, group, _options.NormBeforeGate);
        }

        int mlp = MlpDim;
        return mlp == 0
            ? y
            : Functions.Concat(Functions.Gate(projected.Slice(mlp, mlp), projected.Slice(0, mlp)), y);
    }

    /// <summary>Channels of the MLP part.</summary>
    private int MlpDim => _options.InnerDim - _options.SsmDim;

    /// <summary>
    /// The gate z, applied by the norm, or by the core without a norm; <c>default</c> without a gate.
    /// </summary>
    private DeviceArray Gate(DeviceArray projected)
    {
        DeviceArray z = _options.Gate ? projected.Slice(2 * MlpDim, _options.SsmDim) : default;
        return z.Exists && _options.ProjectionScales is { } scales ? Functions.Scaled(z, scales.Z) : z;
    }

    private SsdInputs Inputs(in Operands operands)
    {
        (int ssm, int shared) = (_options.SsmDim, _options.Groups * _options.StateDim);
        return new()
        {
            X = operands.X.Slice(0, ssm),
            B = operands.X.Slice(ssm, shared),
            C = operands.X.Slice(ssm + shared, shared),
            Delta = operands.Delta,
            ALog = ALog.Value,
            D = D.Value,
            Z = operands.Z,
            DeltaBias = TimeStepBias.Value,
            Softplus = true,
            DeltaMin = _options.DeltaMin,
            DeltaMax = _options.DeltaMax,
            Groups = _options.Groups,
            ChunkLength = _options.ChunkLength,
        };
    }

    /// <summary>
    /// Writes log(-A) with -A uniform in <see cref="Mamba2MixerOptions.AInitRange"/>, one value per head.
    /// </summary>
    private void LogOfUniform(Span<float> values, Random random)
    {
        (double low, double high) = _options.AInitRange;
        foreach (ref float value in values)
        {
            value = (float)Math.Log(low + ((high - low) * random.NextDouble()));
        }
    }
}
