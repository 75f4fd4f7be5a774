using Mamba.Autograd;
using Mamba.Devices;
using Mamba.StateSpace;

namespace Mamba.Layers;

/// <summary>The Mamba-2 mixer: heads that share one decay each, computed as a state-space dual.</summary>
/// <remarks>
/// Dao and Gu, <see href="https://arxiv.org/abs/2405.21060"/>, section 7. The input projection's rows are
/// [z0, x0, z, x, B, C, Δ]; z0 and x0, a gated MLP beside the state-space part, are there only when
/// <see cref="Mamba2MixerOptions.SsmDim"/> is less than the inner width, and z only where there is a gate.
/// </remarks>
public sealed class Mamba2Mixer : RecurrentMixer
{
    private readonly Mamba2MixerOptions _options;

    /// <summary>Makes the mixer.</summary>
    /// <param name="device">Where the weights live.</param>
    /// <param name="options">Sizes and options.</param>
    /// <param name="random">Source of the first weights; null leaves them unset, for a loader to fill.</param>
    /// <param name="outputScale">
    /// Factor of the output projection's first weights: 1/√(number of layers) in a model.
    /// </param>
    /// <exception cref="ArgumentException">An option makes no sense.</exception>
    public Mamba2Mixer(Device device, Mamba2MixerOptions options, Random? random, double outputScale = 1)
        : base(
            device,
            new(device, Valid(options).ConvDim, options.ConvWidth, options.ConvBias, random),
            [options.Heads, options.HeadDim, options.StateDim],
            options.LearnableInitialState,
            random)
    {
        _options = options;
        int heads = options.Heads;

        InProjection = AddModule(
            "in_projection",
            new Linear(
                device,
                options.ModelDim,
                (2 * (options.InnerDim - options.SsmDim)) + options.GateDim + options.ConvDim + heads,
                options.Bias,
                random));
        TimeStepBias = AddParameter(
            "dt_bias",
            [heads],
            random is null ? null : values => TimeSteps.FillBias(
                random, values, options.TimeStepMin, options.TimeStepMax, options.TimeStepFloor));
        ALog = AddParameter("a_log", [heads], random is null ? null : values => LogOfUniform(values, random));
        D = AddParameter("d", [options.DPerChannel ? options.SsmDim : heads], Initial.Constant(random, 1f));
        Norm = options.Norm ? AddParameter("norm.weight", [options.SsmDim], Initial.Constant(random, 1f)) : null;
        OutProjection = AddModule(
            "out_projection",
            new Linear(device, options.InnerDim, options.ModelDim, options.Bias, random, outputScale));
    }

    /// <summary>Makes z, where there is a gate, x, B, C and Δ of the input.</summary>
    public Linear InProjection { get; }

    /// <summary>Added to Δ before softplus, shape [heads].</summary>
    public Parameter TimeStepBias { get; }

    /// <summary>log(-A), shape [heads].</summary>
    public Parameter ALog { get; }

    /// <summary>The skip connection, shape [heads], or [ssmDim] when it has a value per channel.</summary>
    public Parameter D { get; }

    /// <summary>The weights of the norm, shape [ssmDim]; null where there is no norm.</summary>
    public Parameter? Norm { get; }

    /// <summary>Back to the model's width.</summary>
    public Linear OutProjection { get; }

    /// <inheritdoc/>
    public override DeviceArray Forward(DeviceArray x, LayerState? state = null, Segments? segments = null)
    {
        using StateUse use = new(state);
        Require(x, _options.ModelDim, state, segments);
        Parts parts = new(_options, InProjection.Forward(x));
        (DeviceArray core, DeviceArray window, DeviceArray hidden) =
            Dual(parts.XBC, parts.Delta, parts.GateOfCore, (MixerState?)state, segments);
        DeviceArray y = Finish(parts, core);
        ((MixerState?)state)?.Advance(window, hidden);
        return y;
    }

    /// <summary>The mixer without projections, gate and norm: convolution and state-space dual.</summary>
    /// <param name="xbc">x, B and C side by side, before the convolution: shape [batch, length, convDim].</param>
    /// <param name="delta">Δ before bias and softplus, shape [batch, length, heads].</param>
    /// <param name="z">A gate, shape [batch, length, ssmDim]; <c>default</c>: the output is not gated.</param>
    /// <param name="state">As in <see cref="Forward"/>.</param>
    /// <param name="segments">As in <see cref="Forward"/>.</param>
    /// <returns>Shape [batch, length, ssmDim].</returns>
    /// <exception cref="ArgumentException">A shape, or the state's number of sequences, does not fit.</exception>
    public DeviceArray Core(
        DeviceArray xbc,
        DeviceArray delta,
        DeviceArray z = default,
        LayerState? state = null,
        Segments? segments = null)
    {
        using StateUse use = new(state);
        Require(xbc, _options.ConvDim, state, segments);
        (DeviceArray y, DeviceArray window, DeviceArray hidden) = Dual(xbc, delta, z, (MixerState?)state, segments);
        ((MixerState?)state)?.Advance(window, hidden);
        return y;
    }

    /// <inheritdoc/>
    public override DeviceArray Step(DeviceArray x, LayerState state)
    {
        if (Device.Tape is not null)
        {
            return Forward(x, state);
        }

        ArgumentNullException.ThrowIfNull(state);
        using StateUse use = new(state);
        Require(x, _options.ModelDim, state, null);
        MixerState own = (MixerState)state;
        using StepGuard guard = new(this, own);
        Parts parts = new(_options, InProjection.Forward(x));
        DeviceArray convolved = ConvolveStep(parts.XBC, own);
        DeviceArray y = Functions.SsdStep(
            Inputs(convolved, parts.Delta, parts.GateOfCore), own.HiddenInPlace());
        return guard.Done(Finish(parts, y));
    }

    /// <summary>Convolution and state-space dual, which leave the state as it is.</summary>
    private (DeviceArray Y, DeviceArray Window, DeviceArray Hidden) Dual(
        DeviceArray xbc, DeviceArray delta, DeviceArray z, MixerState? state, Segments? segments)
    {
        (DeviceArray convolved, DeviceArray window) = Convolve(xbc, state, segments);
        (DeviceArray y, DeviceArray hidden) = Functions.Ssd(
            Inputs(convolved, delta, z) with { InitialState = HiddenBefore(state, segments?.Count ?? xbc.Shape[0]) },
            segments);
        return (y, window, hidden);
    }

    private SsdInputs Inputs(DeviceArray xbc, DeviceArray delta, DeviceArray z)
    {
        (int ssm, int shared) = (_options.SsmDim, _options.Groups * _options.StateDim);
        return new()
        {
            X = xbc.Slice(0, ssm),
            B = xbc.Slice(ssm, shared),
            C = xbc.Slice(ssm + shared, shared),
            Delta = delta,
            A = Functions.NegatedExp(ALog.Value),
            D = D.Value,
            Z = z,
            DeltaBias = TimeStepBias.Value,
            Softplus = true,
            DeltaMin = _options.DeltaMin,
            DeltaMax = _options.DeltaMax,
            Groups = _options.Groups,
            ChunkLength = _options.ChunkLength,
        };
    }

    /// <summary>Gate and norm, the MLP part, and the output projection.</summary>
    private DeviceArray Finish(Parts parts, DeviceArray y)
    {
        if (Norm is not null && !_options.Gate)
        {
            y = Functions.RmsNorm(y, Norm.Value, _options.NormEpsilon);
        }
        else if (Norm is not null)
        {
            int? group = _options.UngroupedNorm ? null : _options.SsmDim / _options.Groups;
            y = Functions.GatedRmsNorm(
                y, parts.Z, Norm.Value, default, _options.NormEpsilon, group, _options.NormBeforeGate);
        }

        if (parts.Mlp is { } mlp)
        {
            y = Functions.Concat(Functions.Gate(mlp.X, mlp.Z), y);
        }

        return OutProjection.Forward(y);
    }

    /// <summary>A = -U(1, 16) for every head.</summary>
    private void LogOfUniform(Span<float> values, Random random)
    {
        (double low, double high) = _options.AInitRange;
        foreach (ref float value in values)
        {
            value = (float)Math.Log(low + ((high - low) * random.NextDouble()));
        }
    }

    /// <summary>The columns of the input projection's output.</summary>
    private readonly struct Parts
    {
        public Parts(Mamba2MixerOptions options, DeviceArray projected)
        {
            int mlp = options.InnerDim - options.SsmDim;
            if (mlp > 0)
            {
                Mlp = (projected.Slice(mlp, mlp), projected.Slice(0, mlp));
            }

            (int gate, int start) = (options.GateDim, 2 * mlp);
            Z = gate > 0 ? projected.Slice(start, gate) : default;
            GateOfCore = options.Norm ? default : Z;
            XBC = projected.Slice(start + gate, options.ConvDim);
            Delta = projected.Slice(start + gate + options.ConvDim, options.Heads);
        }

        public (DeviceArray X, DeviceArray Z)? Mlp { get; }

        public DeviceArray Z { get; }

        /// <summary>z where the core applies it, not the norm.</summary>
        public DeviceArray GateOfCore { get; }

        public DeviceArray XBC { get; }

        public DeviceArray Delta { get; }
    }
}
