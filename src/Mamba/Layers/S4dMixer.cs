using System.Numerics;
using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;
using Mamba.StateSpace;

namespace Mamba.Layers;

/// <summary>
/// The S4D mixer: a Mamba block whose state-space core is not selective. Δ, A and C are learned and the same for all
/// tokens, and B is 1. Compared with a <see cref="MambaMixer"/>, it shows what selection contributes.
/// </summary>
/// <remarks>
/// S4D: Gu et al., <see href="https://arxiv.org/abs/2206.11893"/>; as a baseline in this block: Gu and Dao,
/// <see href="https://arxiv.org/abs/2312.00752"/>, section 4.6.1. Discretised by exponential Euler, like the selective
/// scan.
/// </remarks>
/// <example>
/// <code>
/// using S4dMixer mixer = new(device, new() { ModelDim = 64 }, new Random(1));
/// using DeviceScope scope = device.Scope();
/// DeviceArray y = mixer.Forward(device.Array([1, 10, 64], tokens));
/// </code>
/// </example>
public sealed class S4dMixer : RecurrentMixer
{
    private readonly S4dMixerOptions _options;

    /// <summary>Makes the mixer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="options">Sizes and options.</param>
    /// <param name="random">Random source of the initial weights; null leaves them unset, for a loader to fill.</param>
    /// <param name="outputScale">
    /// Scale of the output projection's initial weights: 1/√(number of layers) in a model.
    /// </param>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    public S4dMixer(Device device, S4dMixerOptions options, Random? random, double outputScale = 1)
        : this(device, options, random, outputScale, null, null)
    {
    }

    /// <summary>
    /// Makes a mixer that shares another mixer's projections, and the core of a third one except A. Null: makes its
    /// own.
    /// </summary>
    private S4dMixer(
        Device device,
        S4dMixerOptions options,
        Random? random,
        double outputScale,
        S4dMixer? outer,
        S4dMixer? core)
        : base(
            device,
            core is null ? new(device, Valid(options).InnerDim, options.ConvWidth, options.ConvBias, random) : null,
            options.StateShape,
            options.LearnableInitialState,
            random,
            core)
    {
        _options = options;
        (int inner, int states) = (options.InnerDim, options.States);

        InProjection = outer?.InProjection ?? AddModule(
            "in_projection",
            new Linear(device, options.ModelDim, (options.Gate ? 2 : 1) * inner, options.Bias, random));
        TimeStepBias = core?.TimeStepBias ?? AddParameter(
            "dt_bias",
            [inner],
            random is null ? null : values => TimeSteps.FillBias(
                random, values, options.TimeStepMin, options.TimeStepMax, options.TimeStepFloor));
        ALog = AddParameter(
            "a_log", [states, inner], random is null ? null : values => Fill(values, a => Math.Log(-a.Real)));
        AImaginary = options.IsComplex
            ? AddParameter(
                "a_imaginary", [states, inner], random is null ? null : values => Fill(values, a => a.Imaginary))
            : null;

        // A complex number of variance 1 has parts of variance 1/2.
        C = core?.C ?? AddParameter(
            "c", options.StateShape, Initial.Normal(random, options.IsComplex ? Math.Sqrt(0.5) : 1));
        D = core?.D ?? AddParameter("d", [inner], Initial.Constant(random, 1f));
        OutProjection = outer?.OutProjection ?? AddModule(
            "out_projection", new Linear(device, inner, options.ModelDim, options.Bias, random, outputScale));
    }

    /// <summary>Projects the input to x, and to z if there is a gate.</summary>
    public override Linear InProjection { get; }

    /// <summary>Softplus of it is Δ; shape [innerDim].</summary>
    public Parameter TimeStepBias { get; }

    /// <summary>log(-Re A), shape [states, innerDim].</summary>
    public Parameter ALog { get; }

    /// <summary>Im A, shape [states, innerDim]; null if A is real.</summary>
    public Parameter? AImaginary { get; }

    /// <summary>C, shape [states, innerDim]; if complex, [2, states, innerDim], real parts first.</summary>
    public Parameter C { get; }

    /// <summary>The skip connection, shape [innerDim].</summary>
    public Parameter D { get; }

    /// <inheritdoc/>
    public override Linear OutProjection { get; }

    internal override S4dMixer CreateSibling(DirectionTying tying, Random? random) =>
        new(Device, _options, random, 1, this, tying == DirectionTying.AllButA ? this : null);

    private protected override (DeviceArray Y, DeviceArray Hidden) Scan(
        in Operands operands, DeviceArray hidden, Segments? segments, ScanOrder? order)
    {
        order ??= ScanOrder.Forward;
        ScanInputs inputs = Inputs(
            Functions.Reorder(operands.X, order, segments),
            operands.Z.Exists ? Functions.Reorder(operands.Z, order, segments) : default);
        (DeviceArray y, hidden) = Functions.SelectiveScan(inputs with { InitialState = hidden }, segments);
        return (Functions.Restore(y, order, segments), hidden);
    }

    private protected override DeviceArray ScanStep(
        in Operands operands, DeviceArray hidden, StateSlots? slots) =>
        Functions.SelectiveScanStep(Inputs(operands.X, operands.Z), hidden, slots);

    private ScanInputs Inputs(DeviceArray x, DeviceArray z)
    {
        DeviceArray log = AImaginary is null
            ? ALog.Value
            : Functions.Concat(AsRow(ALog.Value), AsRow(AImaginary.Value)).Reshape(_options.StateShape);
        return Functions.TimeInvariant(x, TimeStepBias.Value, default, B(), C.Value, D.Value, z) with { ALog = log };
    }

    /// <summary>B = 1 for every state; the imaginary parts of a complex B are 0.</summary>
    private DeviceArray B()
    {
        DeviceArray b = Device.AllocateOutput(_options.StateShape);
        Device.Fill(b, 0f);
        Device.Fill(AsRow(b).Slice(0, _options.States * _options.InnerDim), 1f);
        return b;
    }

    private static DeviceArray AsRow(DeviceArray x) => x.Reshape([1, checked((int)x.Shape.Count)]);

    /// <summary>Writes the initial A, the same for all channels: S4D-Lin or S4D-Real.</summary>
    private void Fill(Span<float> values, Func<Complex, double> part)
    {
        Complex[] a = new Complex[_options.States];
        StateMatrices.S4DLin(a);
        for (int i = 0; i < values.Length; i++)
        {
            int n = i / _options.InnerDim;
            values[i] = (float)part(_options.IsComplex ? a[n] : -(n + 1));
        }
    }
}
