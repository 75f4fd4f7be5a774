using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;
using Mamba.StateSpace;

namespace Mamba.Layers;

/// <summary>
/// The mixer of PLaMo-2: the state space of Mamba-2, whose B, C and Δ are projected from x after the convolution, as in
/// Mamba-1, and normalised.
/// </summary>
/// <remarks>Preferred Networks, <see href="https://arxiv.org/abs/2509.04897"/>.</remarks>
/// <example>
/// <code>
/// using PlamoMixer mixer = new(device, new() { ModelDim = 64, Heads = 4, HeadDim = 32, StateDim = 16 }, random);
/// DeviceArray y = mixer.Forward(x);
/// </code>
/// </example>
public sealed class PlamoMixer : RecurrentMixer
{
    private readonly PlamoMixerOptions _options;

    /// <summary>Makes the mixer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="options">Sizes and options.</param>
    /// <param name="random">Random source of the initial weights; null leaves them unset, for a loader to fill.</param>
    /// <param name="outputScale">
    /// Scale of the output projection's initial weights: 1/√(number of layers) in a model.
    /// </param>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    public PlamoMixer(Device device, PlamoMixerOptions options, Random? random, double outputScale = 1)
        : this(device, options, random, outputScale, null, null)
    {
    }

    /// <summary>
    /// Makes a mixer that shares another mixer's projections, and the core of a third one except A. Null: makes its
    /// own.
    /// </summary>
    private PlamoMixer(
        Device device,
        PlamoMixerOptions options,
        Random? random,
        double outputScale,
        PlamoMixer? outer,
        PlamoMixer? core)
        : base(
            device,
            core is null ? new(device, Valid(options).InnerDim, options.ConvWidth, bias: false, random) : null,
            [options.Heads, options.HeadDim, options.StateDim],
            options.LearnableInitialState,
            random,
            core)
    {
        _options = options;
        (int inner, int heads, int states, int rank) =
            (options.InnerDim, options.Heads, options.StateDim, options.TimeStepRank);
        InProjection = outer?.InProjection ?? AddModule(
            "in_projection", new Linear(device, options.ModelDim, 2 * inner, false, random));
        XProjection = core?.XProjection ?? AddModule(
            "x_projection", new Linear(device, inner, (2 * states) + rank, false, random));
        BNorm = core?.BNorm ?? AddModule("b_norm", new RmsNorm(device, states, options.NormEpsilon));
        CNorm = core?.CNorm ?? AddModule("c_norm", new RmsNorm(device, states, options.NormEpsilon));
        TimeStepNorm = core?.TimeStepNorm ?? AddModule("dt_norm", new RmsNorm(device, rank, options.NormEpsilon));
        TimeStep = core?.TimeStep ?? AddModule("dt_projection", new Linear(device, rank, heads, false, random));
        TimeStepBias = core?.TimeStepBias ?? AddParameter(
            "dt_bias", [heads], random is null ? null : values => TimeSteps.FillBias(random, values, 1e-3, 0.1, 1e-4));
        ALog = AddParameter("a_log", [heads], random is null ? null : LogOfHead);
        D = core?.D ?? AddParameter("d", [heads], Initial.Constant(random, 1f));
        OutProjection = outer?.OutProjection ?? AddModule(
            "out_projection", new Linear(device, inner, options.ModelDim, false, random, outputScale));
    }

    /// <summary>Projects the input to x and z.</summary>
    public override Linear InProjection { get; }

    /// <summary>Projects x to B, C and Δ (low-rank).</summary>
    public Linear XProjection { get; }

    /// <summary>The norm of B.</summary>
    public RmsNorm BNorm { get; }

    /// <summary>The norm of C.</summary>
    public RmsNorm CNorm { get; }

    /// <summary>The norm of the low-rank Δ.</summary>
    public RmsNorm TimeStepNorm { get; }

    /// <summary>Projects the low-rank Δ to one Δ for each head.</summary>
    public Linear TimeStep { get; }

    /// <summary>Added to Δ before softplus, shape [heads].</summary>
    public Parameter TimeStepBias { get; }

    /// <summary>log(-A), shape [heads].</summary>
    public Parameter ALog { get; }

    /// <summary>The skip connection, shape [heads].</summary>
    public Parameter D { get; }

    /// <inheritdoc/>
    public override Linear OutProjection { get; }

    internal override PlamoMixer CreateSibling(DirectionTying tying, Random? random) =>
        new(Device, _options, random, 1, this, tying == DirectionTying.AllButA ? this : null);

    private protected override (DeviceArray Y, DeviceArray Hidden) Scan(
        in Operands operands, DeviceArray hidden, Segments? segments, ScanOrder? order) =>
        Functions.Ssd(Inputs(operands) with { InitialState = hidden }, segments, order);

    private protected override DeviceArray ScanStep(
        in Operands operands, DeviceArray hidden, StateSlots? slots) =>
        Functions.SsdStep(Inputs(operands), hidden, slots);

    private SsdInputs Inputs(in Operands operands)
    {
        int states = _options.StateDim;
        DeviceArray selected = XProjection.Forward(operands.X);
        DeviceArray delta = TimeStepNorm.Forward(selected.Slice(2 * states, _options.TimeStepRank));
        return new()
        {
            X = operands.X,
            B = BNorm.Forward(selected.Slice(0, states)),
            C = CNorm.Forward(selected.Slice(states, states)),
            Delta = TimeStep.Forward(delta),
            ALog = ALog.Value,
            D = D.Value,
            Z = operands.Z,
            DeltaBias = TimeStepBias.Value,
            Softplus = true,
            Groups = 1,
        };
    }

    /// <summary>A_h = -(h + 1).</summary>
    private static void LogOfHead(Span<float> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = MathF.Log(i + 1);
        }
    }
}
