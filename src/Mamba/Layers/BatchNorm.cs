using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>
/// Batch normalisation over channels, <c>y = (x - mean)/√(var + ε)·w + b</c>. It uses batch statistics while a tape
/// records, and running statistics otherwise.
/// </summary>
/// <remarks>
/// Ioffe and Szegedy, <see href="https://arxiv.org/abs/1502.03167"/>, algorithm 1. As in PyTorch, a running statistic
/// becomes <c>(1 - m)·running + m·batch</c>, and the running variance is the unbiased estimate.
/// </remarks>
/// <example>
/// <code>
/// using BatchNorm norm = new(device, channels: 64);
/// DeviceArray y = norm.Forward(images);                                 // [batch, height, width, 64]
/// </code>
/// </example>
public sealed class BatchNorm : Module, ILayer
{
    /// <summary>Makes the layer. Weight and running variance start at 1, bias and running mean at 0.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="channels">Number of channels.</param>
    /// <param name="momentum">
    /// m, the weight of the current batch in the running statistics, above 0 and at most 1.
    /// </param>
    /// <param name="epsilon">ε, inside the square root.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public BatchNorm(Device device, int channels, float momentum = 0.1f, float epsilon = 1e-5f)
        : base(device)
    {
        Setting.Require(momentum is > 0 and <= 1, nameof(momentum), "above 0 and at most 1", momentum);
        Setting.RequirePositiveFloat(epsilon, nameof(epsilon));
        (Momentum, Epsilon) = (momentum, epsilon);
        Weight = AddParameter("weight", [channels], values => values.Fill(1f));
        Bias = AddParameter("bias", [channels], values => values.Clear());
        RunningMean = AddBuffer("running_mean", [channels]);
        RunningVariance = AddBuffer("running_var", [channels], values => values.Fill(1f));
    }

    /// <summary>w, shape [channels].</summary>
    public Parameter Weight { get; }

    /// <summary>b, shape [channels].</summary>
    public Parameter Bias { get; }

    /// <summary>The running mean, shape [channels].</summary>
    public DeviceArray RunningMean { get; }

    /// <summary>The running variance, shape [channels].</summary>
    public DeviceArray RunningVariance { get; }

    /// <summary>m.</summary>
    public float Momentum { get; }

    /// <summary>ε.</summary>
    public float Epsilon { get; }

    /// <summary>Normalises a batch, and updates the running statistics if a tape records.</summary>
    /// <param name="x">Shape [.., channels]; under a tape, at least two positions per channel.</param>
    /// <returns>The same shape.</returns>
    /// <exception cref="ArgumentException">x has another number of channels, or too few positions.</exception>
    public DeviceArray Forward(DeviceArray x)
    {
        int channels = Weight.Value.Shape.Width;
        RequireWidth(x, channels);
        int places = checked((int)x.Shape.Rows);
        DeviceArray rows = Functions.Contiguous(x).Reshape([places, channels]);
        DeviceArray centered, variance;
        if (IsRecording)
        {
            if (places < 2)
            {
                throw new ArgumentException($"Expected at least two places to train with; found {x.Shape}.", nameof(x));
            }

            DeviceArray mean = Functions.Mean(rows, 0);
            centered = rows - mean;
            variance = Functions.Mean(Functions.Square(centered), 0);
            if (!IsRepeating)
            {
                Move(RunningMean, mean, 1);
                Move(RunningVariance, variance, places / (places - 1f));
            }
        }
        else
        {
            (centered, variance) = (rows - RunningMean, RunningVariance);
        }

        DeviceArray deviation = Functions.Sqrt(variance + Device.Array([1], [Epsilon]));
        return Functions.ScaleShift(centered, Weight.Value / deviation, Bias.Value).Reshape(x.Shape);
    }

    private void Move(DeviceArray running, DeviceArray statistic, float factor)
    {
        using DeviceScope scope = Device.Scope();
        using Tape.Suspension suspension = Tape.Suspend(Device);
        running.CopyFrom(
            Functions.Scale(running, 1 - Momentum) + Functions.Scale(statistic, Momentum * factor));
    }
}
