using Mamba.Autograd;
using Mamba.Benchmarks.Problems;
using Mamba.Cpu;
using Mamba.Memory;

namespace Mamba.Benchmarks.Quick;

/// <summary>
/// Functions that composers use, each against one pass over the same array (<c>y = 1.5·x</c>), alternately on one
/// thread.
/// </summary>
internal static class AxisRows
{
    private const int Batch = 16, Length = 196, Channels = 192; // a batch of images of 14 × 14 tokens

    public static IEnumerable<QuickRow> All
    {
        get
        {
            string shape = $"[{Batch}, {Length}, {Channels}]";
            return
            [
                Row($"swap of the last axes of {shape}", 2, x => Functions.SwapAxes(x, 1, 2)),
                Row($"swap of the first axes of {shape}", 2, x => Functions.SwapAxes(x, 0, 1)),
                Row($"scale and shift per channel of {shape}", 1.2, ScaleShift),
                ScaleShiftBackward(shape),
                Row($"mean over the tokens of {shape}", 1.3, x => Functions.Mean(x, 1)),
                Row($"mean over the channels of {shape}", 1.3, x => Functions.Mean(x, 2)),
                Row($"max over the tokens of {shape}", 1.3, x => Functions.Max(x, 1)),
                Row($"max over the channels of {shape}", 1.3, x => Functions.Max(x, 2)),
                Row($"dropout of {shape}", null, x => Functions.Dropout(x, 0.1, seed: 1, draw: 0)),
                Convolution("forward", backward: false),
                Convolution("forward+backward", backward: true),
            ];
        }
    }

    private static QuickRow Row(string name, double? goal, Func<DeviceArray, DeviceArray> function) =>
        new($"{name} / one pass", "ratio", _ => Ratio(function))
        {
            Goal = goal,
            LowerIsBetter = true,
        };

    private static DeviceArray ScaleShift(DeviceArray x)
    {
        DeviceArray scale = x.Device.Zeros([Channels]);
        return Functions.ScaleShift(x, scale, scale);
    }

    /// <summary>Forward and backward, with all gradients, against a broadcast product and a broadcast sum.</summary>
    private static QuickRow ScaleShiftBackward(string shape) => new(
        $"scale and shift per channel of {shape} forward+backward / a product and a sum",
        "ratio",
        _ =>
        {
            using CpuDevice device = new(threads: 1);
            using DeviceScope scope = device.Scope();
            DeviceArray x = Seeded.Array(device, [Batch, Length, Channels], -1, 1);
            DeviceArray scale = Seeded.Array(device, [Channels], -1, 1, 2);
            DeviceArray shift = Seeded.Array(device, [Channels], -1, 1, 3);
            return Timing.Alternating(
                () => Run(() => Functions.ScaleShift(x, scale, shift)), () => Run(() => (x * scale) + shift)).Ratio;

            void Run(Func<DeviceArray> function)
            {
                using DeviceScope run = device.Scope();
                using Tape tape = new(device);
                tape.Watch(x);
                tape.Watch(scale);
                tape.Watch(shift);
                tape.Backward((function(), x));
            }
        })
    {
        Goal = 0.7,
        LowerIsBetter = true,
    };

    private static double Ratio(Func<DeviceArray, DeviceArray> function)
    {
        using CpuDevice device = new(threads: 1);
        using DeviceScope scope = device.Scope();
        DeviceArray x = Seeded.Array(device, [Batch, Length, Channels], -1, 1);
        return Timing.Alternating(() => Run(function), () => Run(x => Functions.Scale(x, 1.5f))).Ratio;

        void Run(Func<DeviceArray, DeviceArray> function)
        {
            using DeviceScope run = device.Scope();
            function(x);
        }
    }

    /// <summary>A filter of 3 × 3 over images of 14 × 14, against nine taps over sequences of 196.</summary>
    private static QuickRow Convolution(string what, bool backward) => new(
        $"depthwise convolution 3x3 of [{Batch}, 14, 14, {Channels}] {what} / 9 taps over sequences",
        "ratio",
        _ =>
        {
            using CpuDevice device = new(threads: 1);
            using DeviceScope scope = device.Scope();
            DeviceArray x = Seeded.Array(device, [Batch, Length, Channels], -1, 1);
            DeviceArray taps = Seeded.Array(device, [9, Channels], -1, 1, 2);
            DeviceArray bias = Seeded.Array(device, [Channels], -1, 1, 3);
            DeviceArray image = x.Reshape([Batch, 14, 14, Channels]), filter = taps.Reshape([3, 3, Channels]);
            return Timing.Alternating(
                () => Run(() => Functions.DepthwiseConvolution2d(image, filter, bias, silu: true)),
                () => Run(() => Functions.SameConvolution(x, taps, bias, silu: true))).Ratio;

            void Run(Func<DeviceArray> function)
            {
                using DeviceScope run = device.Scope();
                if (!backward)
                {
                    function();
                    return;
                }

                using Tape tape = new(device);
                tape.Watch(x);
                tape.Watch(taps);
                tape.Watch(bias);
                DeviceArray y = function();
                tape.Backward((y, x.Reshape(y.Shape)));
            }
        })
    {
        Goal = 1.3,
        LowerIsBetter = true,
    };
}
