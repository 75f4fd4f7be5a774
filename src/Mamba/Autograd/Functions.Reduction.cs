using Mamba.Devices;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes the sum of all elements.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of one element; 0 where there is nothing to add.</returns>
    public static DeviceArray Sum(DeviceArray x) => ScaledSum(x, 1);

    /// <summary>Computes the mean of all elements.</summary>
    /// <param name="x">The input.</param>
    /// <returns>An array of one element; NaN where there is nothing to average.</returns>
    public static DeviceArray Mean(DeviceArray x) => ScaledSum(x, 1 / (double)x.Shape.Count);

    /// <summary>Computes <c>factor·x</c>.</summary>
    /// <param name="x">The input.</param>
    /// <param name="factor">The factor.</param>
    /// <returns>An array of the same shape.</returns>
    public static DeviceArray Scale(DeviceArray x, float factor)
    {
        Device device = Require(x);
        bool follows = Tape.Follows(x);
        DeviceArray y = device.AllocateOutput(x.Shape, x.Precision);
        device.Scale(x, factor, y);
        if (follows)
        {
            RecordScale(device.Tape!, x, factor, y);
        }

        return y;
    }

    private static DeviceArray ScaledSum(DeviceArray x, double scale)
    {
        Device device = Require(x);
        bool follows = Tape.Follows(x);
        DeviceArray y = device.AllocateOutput([1]);
        device.Sum(x, scale, y);
        if (follows)
        {
            RecordSum(device.Tape!, x, scale, y);
        }

        return y;
    }

    private static void RecordSum(Tape tape, DeviceArray x, double scale, DeviceArray y) =>
        tape.Record([y], () => x.Device.SumBackward(scale, tape.GradientOf(y), tape.GradientOf(x)));

    private static void RecordScale(Tape tape, DeviceArray x, float factor, DeviceArray y) =>
        tape.Record([y], () => x.Device.AddScaled(tape.GradientOf(y), factor, tape.GradientOf(x)));
}
