using Mamba.Devices;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes causal attention: <c>softmax(q·kᵀ/√P)·v</c>, where a token sees its past and itself.</summary>
    /// <param name="inputs">Queries, keys, values, and those of the past.</param>
    /// <param name="segments">Packed sequences, which never see each other; null: one sequence a row.</param>
    /// <returns>Shape [batch, length, heads·headDim].</returns>
    /// <exception cref="ArgumentException">The shapes do not fit each other.</exception>
    /// <remarks>Vaswani et al., <see href="https://arxiv.org/abs/1706.03762"/>, eq. 1.</remarks>
    public static DeviceArray Attention(in AttentionInputs inputs, Segments? segments = null)
    {
        Device device = Require(inputs.Queries);
        inputs.Validate(new(inputs.Queries.Shape, segments));
        bool follows = Tape.Follows(
            inputs.Queries, inputs.Keys, inputs.Values, inputs.PastKeys, inputs.PastValues);
        DeviceArray y = device.AllocateOutput(inputs.Queries.Shape, inputs.Queries.Precision);
        device.Attention(inputs, segments, y);
        if (follows)
        {
            RecordAttention(device.Tape!, inputs, segments, y);
        }

        return y;
    }

    /// <summary>Turns pairs of entries of every head by their token's position.</summary>
    /// <param name="x">Shape [batch, length, heads·headDim].</param>
    /// <param name="options">Which entries turn, and how fast.</param>
    /// <param name="segments">Packed sequences, each counted from its own start; null: one sequence a row.</param>
    /// <returns>The same shape.</returns>
    /// <exception cref="ArgumentException">The shape and the options do not fit.</exception>
    /// <remarks>Su et al., <see href="https://arxiv.org/abs/2104.09864"/>, eq. 34.</remarks>
    public static DeviceArray Rotary(DeviceArray x, RotaryOptions options, Segments? segments = null)
    {
        Device device = Require(x);
        bool follows = Tape.Follows(x);
        DeviceArray y = device.AllocateOutput(x.Shape, x.Precision);
        device.Rotary(x, options, segments, inverse: false, y);
        if (follows)
        {
            RecordRotary(x.Device.Tape!, x, options, segments, y);
        }

        return y;
    }

    private static void RecordAttention(Tape tape, AttentionInputs inputs, Segments? segments, DeviceArray y) =>
        tape.Record(
            [y],
            () => y.Device.AttentionBackward(
                inputs,
                segments,
                tape.GradientOf(y),
                new(
                    tape.Wanted(inputs.Queries),
                    tape.Wanted(inputs.Keys),
                    tape.Wanted(inputs.Values),
                    tape.Wanted(inputs.PastKeys),
                    tape.Wanted(inputs.PastValues))));

    private static void RecordRotary(
        Tape tape, DeviceArray x, RotaryOptions options, Segments? segments, DeviceArray y) =>
        tape.Record(
            [y],
            () =>
            {
                DeviceArray turned = x.Device.Allocate(x.Shape, x.Precision);
                x.Device.Rotary(tape.GradientOf(y), options, segments, inverse: true, turned);
                x.Device.AddScaled(turned, 1f, tape.GradientOf(x));
            });
}
