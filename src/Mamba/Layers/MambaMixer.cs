using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Layers;

/// <summary>The Mamba-1 mixer: convolution, selective scan and gate between two projections.</summary>
/// <remarks>Gu and Dao, <see href="https://arxiv.org/abs/2312.00752"/>, section 3.4 and Algorithm 2.</remarks>
/// <example>
/// <code>
/// using MambaMixer mixer = new(device, new() { ModelDim = 64 }, new Random(1));
/// using LayerState state = mixer.CreateState(batch: 1);
/// using DeviceScope scope = device.Scope();
/// DeviceArray y = mixer.Forward(device.Array([1, 10, 64], tokens), state); // a sequence
/// DeviceArray next = mixer.Step(device.Array([1, 1, 64], input), state);   // one more token
/// </code>
/// </example>
public sealed class MambaMixer : RecurrentMixer
{
    private readonly MambaMixerOptions _options;

    /// <summary>Makes the mixer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="options">Sizes and options.</param>
    /// <param name="random">Random source of the initial weights; null leaves them unset, for a loader to fill.</param>
    /// <param name="outputScale">
    /// Scale of the output projection's initial weights: 1/√(number of layers) in a model.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">An option is invalid.</exception>
    public MambaMixer(Device device, MambaMixerOptions options, Random? random, double outputScale = 1)
        : this(device, options, random, outputScale, null, null)
    {
    }

    /// <summary>
    /// Makes a mixer that shares another mixer's projections, and the core of a third one except A. Null: makes its
    /// own.
    /// </summary>
    private MambaMixer(
        Device device,
        MambaMixerOptions options,
        Random? random,
        double outputScale,
        MambaMixer? outer,
        MambaMixer? core)
        : base(
            device,
            core is null ? new(device, Valid(options).InnerDim, options.ConvWidth, options.ConvBias, random) : null,
            [options.StateDim, options.InnerDim],
            options.LearnableInitialState,
            random,
            core)
    {
        _options = options;
        int inner = options.InnerDim;
        InProjection = outer?.InProjection ?? AddModule(
            "in_projection",
            new Linear(device, options.ModelDim, (options.Gate ? 2 : 1) * inner, options.Bias, random));
        Ssm = AddModule(new SelectiveSsm(device, options, random, core?.Ssm));
        OutProjection = outer?.OutProjection ?? AddModule(
            "out_projection", new Linear(device, inner, options.ModelDim, options.Bias, random, outputScale));
    }

    /// <summary>Projects the input to x, and to z if there is a gate.</summary>
    public override Linear InProjection { get; }

    /// <summary>
    /// The selective state-space model between convolution and output projection. Its parameters are named like the
    /// mixer's own: <c>x_projection.weight</c>, <c>dt_projection.weight</c>, <c>a_log</c>, <c>d</c>.
    /// </summary>
    public SelectiveSsm Ssm { get; }

    /// <inheritdoc/>
    public override Linear OutProjection { get; }

    /// <summary>The mixer without its projections: convolution, selection, scan, and the gate, if any.</summary>
    /// <param name="x">Shape [batch, length, innerDim].</param>
    /// <param name="z">The gate, of the same shape; <c>default</c> disables it.</param>
    /// <param name="state">As in <see cref="RecurrentMixer.Forward"/>.</param>
    /// <param name="segments">As in <see cref="RecurrentMixer.Forward"/>.</param>
    /// <returns>Shape [batch, length, innerDim].</returns>
    /// <exception cref="ArgumentException">A shape or the state's batch does not fit.</exception>
    public DeviceArray Core(
        DeviceArray x, DeviceArray z = default, LayerState? state = null, Segments? segments = null) =>
        Core(new Operands(x, z), state, segments);

    internal override MambaMixer CreateSibling(DirectionTying tying, Random? random) =>
        new(Device, _options, random, 1, this, tying == DirectionTying.AllButA ? this : null);

    /// <summary>
    /// Applies convolution and core in several orders, and sums the outputs. The convolution has one tap, so its output
    /// does not depend on the order.
    /// </summary>
    /// <param name="orders">Permutations.</param>
    /// <param name="siblings">The mixer of each order; they share everything except A.</param>
    /// <param name="projected">The output of the input projection, tokens in original order.</param>
    /// <param name="gated">Whether to apply the gate, if any.</param>
    /// <param name="segments">Packed sequences, or null.</param>
    /// <returns>The sum, tokens in original order: [batch, length, innerDim].</returns>
    internal DeviceArray MixInOrders(
        ScanOrder[] orders,
        IReadOnlyList<SequenceMixer> siblings,
        DeviceArray projected,
        bool gated,
        Segments? segments)
    {
        Operands operands = Split(projected);
        DeviceArray x = Functions.CausalConvolution(
            operands.X, Convolution.Weight.Value, Optional(Convolution.Bias), silu: true, default, segments).Y;
        ScanInputs inputs = Ssm.Select(x);
        DeviceArray initial = InitialState is null
            ? default
            : Functions.Repeat(InitialState.Value, segments?.Count ?? x.Shape[0]);
        return Functions.MultiScan(
            inputs with
            {
                Z = gated ? operands.Z : default,
                Delta = ForEach(inputs.Delta),
                ALog = Functions.Concat(-1, [.. siblings.Select(mixer => ((MambaMixer)mixer).Ssm.ALog.Value)]),
                B = ForEach(inputs.B),
                C = ForEach(inputs.C),
                D = ForEach(inputs.D),
                DeltaBias = ForEach(inputs.DeltaBias),
                InitialState = ForEach(initial),
            },
            orders,
            segments).Y;

        DeviceArray ForEach(DeviceArray array) =>
            array.Exists ? Functions.Concat(-1, [.. Enumerable.Repeat(array, orders.Length)]) : default;
    }

    private protected override (DeviceArray Y, DeviceArray Hidden) Scan(
        in Operands operands, DeviceArray hidden, Segments? segments, ScanOrder? order) =>
        Functions.SelectiveScan(Inputs(operands) with { InitialState = hidden }, segments, order);

    private protected override DeviceArray ScanStep(
        in Operands operands, DeviceArray hidden, StateSlots? slots) =>
        Ssm.Step(operands.X, operands.Z, hidden, slots);

    private ScanInputs Inputs(in Operands operands) => Ssm.Select(operands.X) with { Z = operands.Z };
}
