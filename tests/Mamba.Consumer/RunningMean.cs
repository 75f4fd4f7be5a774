using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Consumer;

/// <summary>The options of a <see cref="RunningMean"/>.</summary>
internal sealed record RunningMeanOptions : MixerOptions
{
    public float Decay { get; init; } = 0.75f;

    public override void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ModelDim);
        ArgumentOutOfRangeException.ThrowIfNegative(Decay);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(Decay, 1);
    }

    public override SequenceMixer Create(Device device, Random? random, double outputScale = 1) =>
        new RunningMean(device, this, random, outputScale);

    public override string DescribeState() =>
        FormattableString.Invariant($"running mean (width {ModelDim}, decay {Decay:R})");
}

/// <summary>
/// An exponential running mean of each channel, <c>m ← d·m + (1 - d)·x</c>, and a projection of it.
/// </summary>
internal sealed class RunningMean : SequenceMixer
{
    private readonly RunningMeanOptions _options;
    private readonly Linear _projection;

    public RunningMean(Device device, RunningMeanOptions options, Random? random, double outputScale = 1)
        : base(device)
    {
        _options = Valid(options);
        _projection = AddModule(
            "projection", new Linear(device, options.ModelDim, options.ModelDim, true, random, outputScale));
    }

    public override LayerState CreateState(int batch) => new RunningMeanState(Device, batch, _options.ModelDim);

    public override bool Fits(LayerState state) =>
        state is RunningMeanState && state.Device == Device && state.Arrays[0].Shape.Width == _options.ModelDim;

    public override DeviceArray Forward(DeviceArray x, LayerState? state = null, Segments? segments = null)
    {
        using StateUse use = new(state);
        Require(x, _options.ModelDim, state, segments);
        if (segments is not null)
        {
            throw new NotSupportedException("A RunningMean reads no packed sequences.");
        }

        (int batch, int length, int dim) = (x.Shape[0], x.Shape[1], x.Shape[2]);
        DeviceArray means = Functions.MatMul(Weights(batch, length), x.Reshape([batch * length, dim]));
        if (state is RunningMeanState own)
        {
            means = Functions.Add(means, Functions.MatMul(WeightsOfPast(batch, length), own.Mean));
        }

        DeviceArray y = _projection.Forward(means.Reshape([batch, length, dim]));
        if (length > 0)
        {
            (state as RunningMeanState)?.Advance(Functions.Gather(
                means.Reshape([batch, length, dim]), Device.Indices([length - 1])).Reshape([batch, dim]));
        }

        return y;
    }

    public override DeviceArray Step(DeviceArray x, LayerState state, StateSlots? slots = null)
    {
        if (IsRecording || slots is not null)
        {
            return base.Step(x, state, slots);
        }

        using StateUse use = new(state);
        Require(x, _options.ModelDim, state, null);
        using StepGuard guard = new(this, state);
        DeviceArray mean = ((RunningMeanState)state).StepBy(x.Reshape([x.Shape[0], x.Shape[2]]), _options.Decay);
        return guard.Done(_projection.Forward(mean.Reshape(x.Shape)));
    }

    /// <summary>What each token adds to the mean after each token of its own sequence.</summary>
    private DeviceArray Weights(int batch, int length)
    {
        int rows = batch * length;
        float[] weights = new float[rows * rows];
        for (int row = 0; row < rows; row++)
        {
            for (int past = 0; past <= row % length; past++)
            {
                weights[(row * rows) + row - past] = (1 - _options.Decay) * MathF.Pow(_options.Decay, past);
            }
        }

        return Device.Array([rows, rows], weights);
    }

    /// <summary>What is left after each token of the mean before the first one.</summary>
    private DeviceArray WeightsOfPast(int batch, int length)
    {
        float[] weights = new float[batch * length * batch];
        for (int row = 0; row < batch * length; row++)
        {
            weights[(row * batch) + (row / length)] = MathF.Pow(_options.Decay, (row % length) + 1);
        }

        return Device.Array([batch * length, batch], weights);
    }
}

/// <summary>The mean of each channel of each sequence.</summary>
internal sealed class RunningMeanState : LayerState
{
    private readonly int _dim;

    public RunningMeanState(Device device, int batch, int dim)
        : base(device, batch)
    {
        _dim = dim;
        Allocate([batch, dim]);
    }

    public DeviceArray Mean => Arrays[0];

    public void Advance(DeviceArray mean) => Take(mean);

    public DeviceArray StepBy(DeviceArray x, float decay)
    {
        DeviceArray mean = InPlace(0);
        mean.CopyFrom((mean * decay) + (x * (1 - decay)));
        return mean;
    }

    protected override LayerState CreateEmpty(int batch) => new RunningMeanState(Device, batch, _dim);
}
