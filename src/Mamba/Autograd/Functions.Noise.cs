using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Draws uniformly distributed multiples of 2^-24 from 0 to below 1.</summary>
    /// <param name="device">The device of the result.</param>
    /// <param name="shape">The shape of the result.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="draw">Number of the sequence; the sequences of a seed are independent.</param>
    /// <returns>An array without a gradient.</returns>
    /// <remarks>
    /// Number i is a function of the seed, the draw and i, with the same bits on every device: word <c>i mod 4</c> of
    /// Philox4x32-10 (Salmon et al., <see href="https://doi.org/10.1145/2063384.2063405"/>). The counter is
    /// <c>⌊i/4⌋</c> and the draw, 64 bits each; the key is the seed.
    /// </remarks>
    /// <example>
    /// <code>
    /// DeviceArray times = Functions.Uniform(device, [batch, 1], seed: step, draw: 0);
    /// </code>
    /// </example>
    public static DeviceArray Uniform(Device device, Shape shape, long seed, long draw)
    {
        ArgumentNullException.ThrowIfNull(device);
        DeviceArray y = device.AllocateOutput(shape);
        device.FillUniform(y, new(seed, draw));
        return y;
    }

    /// <summary>
    /// Sets each element to zero with probability p and multiplies the others by <c>1/(1 - p)</c>, if a tape records;
    /// otherwise returns x itself.
    /// </summary>
    /// <param name="x">The input.</param>
    /// <param name="rate">p, from 0 to below 1.</param>
    /// <returns>An array of the same shape.</returns>
    /// <exception cref="ArgumentOutOfRangeException">p is not from 0 to below 1.</exception>
    /// <exception cref="InvalidOperationException">The tape has no seed.</exception>
    /// <remarks>
    /// Srivastava et al., <see href="https://jmlr.org/papers/v15/srivastava14a.html"/>, with the scale applied in
    /// training, so inference needs none. The mask follows from the seed of the tape and the number of masks before it.
    /// So <c>Recompute</c> draws the same mask again. A resumed training run draws the same masks as an uninterrupted
    /// one, because the trainer seeds each tape with the number of its batch.
    /// </remarks>
    /// <example>
    /// <code>
    /// using Tape tape = new(device, seed: step);
    /// DeviceArray y = Functions.Dropout(x, 0.1);
    /// </code>
    /// </example>
    public static DeviceArray Dropout(DeviceArray x, double rate)
    {
        Device device = Require(x);
        RequireRate(rate);
        return device.Tape is { } tape && rate > 0 ? Dropped(x, rate, 1, tape.NextNoise()) : x;
    }

    /// <summary>
    /// Applies dropout with or without a tape, for example in inference. The seed and the draw determine the mask.
    /// </summary>
    /// <param name="x">The input.</param>
    /// <param name="rate">p, from 0 to below 1.</param>
    /// <param name="seed">The seed of the mask.</param>
    /// <param name="draw">Number of the mask; the masks of a seed are independent.</param>
    /// <returns>An array of the same shape.</returns>
    /// <exception cref="ArgumentOutOfRangeException">p is not from 0 to below 1.</exception>
    /// <remarks>Elements become zero if their number from <see cref="Uniform"/> is below p; NaN stays NaN.</remarks>
    /// <example>
    /// <code>
    /// DeviceArray sample = Functions.Dropout(x, 0.1, seed: 1, draw: 0);
    /// </code>
    /// </example>
    public static DeviceArray Dropout(DeviceArray x, double rate, long seed, long draw)
    {
        Require(x);
        RequireRate(rate);
        return Dropped(x, rate, 1, new(seed, draw));
    }

    /// <summary>
    /// Sets each sample to zero with probability p and multiplies the others by <c>1/(1 - p)</c>, if a tape records;
    /// otherwise returns x itself.
    /// </summary>
    /// <param name="x">
    /// The input, [batch, ..], such as the output of a layer before it is added to the residual.
    /// </param>
    /// <param name="rate">p, from 0 to below 1.</param>
    /// <returns>An array of the same shape.</returns>
    /// <exception cref="ArgumentOutOfRangeException">p is not from 0 to below 1.</exception>
    /// <exception cref="InvalidOperationException">The tape has no seed.</exception>
    /// <remarks>
    /// Stochastic depth: Huang et al., <see href="https://arxiv.org/abs/1603.09382"/>. Masks are those of
    /// <see cref="Dropout(DeviceArray, double)"/>, with one number per sample.
    /// </remarks>
    /// <example>
    /// <code>
    /// DeviceArray y = x + Functions.DropPath(layer.Forward(norm.Forward(x)), 0.1);
    /// </code>
    /// </example>
    public static DeviceArray DropPath(DeviceArray x, double rate)
    {
        Device device = Require(x);
        RequireRate(rate);
        long group = Math.Max(1, AxisView.Product(x.Shape, 1, x.Shape.Rank));
        return device.Tape is { } tape && rate > 0 ? Dropped(x, rate, group, tape.NextNoise()) : x;
    }

    /// <exception cref="ArgumentOutOfRangeException">A rate is not from 0 to below 1.</exception>
    internal static void RequireRate(double rate) =>
        Setting.Require(rate is >= 0 and < 1, nameof(rate), "from 0 to below 1", rate);

    private static DeviceArray Dropped(DeviceArray x, double rate, long group, NoiseStream noise) => Run(
        x.Device,
        new DropoutOperation { X = Contiguous(x), Rate = rate, Group = group, Noise = noise }).Y;
}
