using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Tests.Layers;

/// <summary>Layers of vision models and transformers, against their formulas.</summary>
public sealed class VisionLayerTests
{
    private const double Tolerance = 3e-6;

    [Theory]
    [InlineData(new[] { 2, 5, 6, 8 }, 4)]
    [InlineData(new[] { 2, 7, 6 }, 6)]
    [InlineData(new[] { 3, 6 }, 1)]
    [InlineData(new[] { 1, 3, 3, 3, 4 }, 2)]
    public void Groups_of_channels_are_normalised(int[] sizes, int groups)
    {
        Shape shape = Shape.Create(sizes);
        int count = (int)shape.Count, channels = sizes[^1], width = channels / groups, perSample = count / sizes[0];
        float[] x = Samples.Normal(1, count), w = Samples.Normal(2, channels), b = Samples.Normal(3, channels);
        FunctionCheck check = new(
            a => Functions.GroupNorm(a[0], groups, a[1], a[2]), (shape, x), ([channels], w), ([channels], b));

        check.ShouldMatchTheReference(Tolerance, 2 * Tolerance);
        check.ShouldGiveTheSameBitsOnAnyNumberOfThreads();
        check.ShouldHaveTheDifferencesAsReferenceGradients();
        using Device device = TestDevice.Open();
        float[] y = check.Run(device, asSlices: false)[0].ToArray();
        for (int i = 0; i < count; i++)
        {
            int sample = i / perSample, group = i % channels / width;
            double[] members =
            [
                .. Enumerable.Range(sample * perSample, perSample)
                    .Where(j => j % channels / width == group).Select(j => (double)x[j]),
            ];
            double mean = members.Average(), variance = members.Average(value => (value - mean) * (value - mean));
            double expected = ((x[i] - mean) / Math.Sqrt(variance + 1e-5) * w[i % channels]) + b[i % channels];
            y[i].Should().BeApproximately((float)expected, 1e-4f);
        }
    }

    [Fact]
    public void A_batch_is_normalised_by_its_own_statistics_under_a_tape_and_by_running_ones_otherwise()
    {
        using Device device = TestDevice.Open(2);
        using BatchNorm norm = new(device, 2, momentum: 0.5f);
        DeviceArray x = device.Array([2, 2, 2], [1, 10, 3, 10, 5, 20, 7, 20]);
        using (Tape tape = new(device))
        {
            tape.Watch(x);
            DeviceArray y = norm.Forward(x);
            tape.Backward(Functions.Sum(y * device.Array([2, 2, 2], [1, 0, 0, 1, 0, 0, 0, 0])));

            // Mean 4, variance 5; mean 15, variance 25.
            float[] normed = [-3, -5, -1, -5, 1, 5, 3, 5];
            y.ToArray().ShouldBeClose(
                [.. normed.Select((value, i) => value / Math.Sqrt((i % 2 == 0 ? 5 : 25) + 1e-5))], Tolerance);
            tape.GradientOf(x).ToArray().Sum().Should().BeApproximately(0, 1e-5f, "a shift of all changes nothing");
        }

        norm.RunningMean.ToArray().ShouldBeClose([2, 7.5f], Tolerance);
        norm.RunningVariance.ToArray().ShouldBeClose([0.5f + (20 / 6f), 0.5f + (100 / 6f)], Tolerance);
        float[] expected = [.. x.ToArray().Select((value, i) => i % 2 == 0
            ? (value - 2) / MathF.Sqrt(0.5f + (20 / 6f) + 1e-5f)
            : (value - 7.5f) / MathF.Sqrt(0.5f + (100 / 6f) + 1e-5f))];
        norm.Forward(x).ToArray().ShouldBeClose(expected, Tolerance);
        norm.Buffers.Select(named => named.Name).Should().Equal("running_mean", "running_var");
    }

    [Fact]
    public void Running_statistics_move_once_where_a_layer_is_computed_twice()
    {
        using Device device = TestDevice.Open();
        float[][] plain = Run((forward, x) => forward(x)), again = Run(Functions.Recompute);
        float[][] nested = Run((forward, x) => Functions.Recompute(outer => Functions.Recompute(forward, outer), x));

        for (int i = 0; i < plain.Length; i++)
        {
            again[i].ShouldHaveTheBitsOf(plain[i]);
            nested[i].ShouldHaveTheBitsOf(plain[i]);
        }

        float[][] Run(Func<Func<DeviceArray, DeviceArray>, DeviceArray, DeviceArray> apply)
        {
            using BatchNorm norm = new(device, 4);
            DeviceArray x = device.Array([6, 4], Samples.Normal(1, 24));
            using Tape tape = new(device);
            tape.Watch(x);
            tape.Backward(Functions.Sum(Functions.Square(Functions.Sin(apply(norm.Forward, x)))));
            return [norm.RunningMean.ToArray(), norm.RunningVariance.ToArray(), tape.GradientOf(x).ToArray()];
        }
    }

    [Fact]
    public void The_gradients_of_a_normalised_batch_match_the_reference()
    {
        FunctionCheck check = new(
            x => new BatchNorm(x[0].Device, 5).Forward(x[0]),
            ([4, 3, 5], Samples.Normal(1, 60)));

        check.ShouldMatchTheReference(Tolerance, 2 * Tolerance);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_mlp_is_two_maps_around_gelu(bool tanh)
    {
        using Device device = TestDevice.Open();
        using Mlp mlp = new(device, 6, 9, new Random(1), activation: tanh ? Activation.GeluTanh : Activation.Gelu);
        DeviceArray x = device.Array([2, 3, 6], Samples.Normal(1, 36));

        DeviceArray inner = Functions.Linear(x, mlp.In.Weight.Value, mlp.In.Bias!.Value);
        DeviceArray expected = Functions.Linear(
            tanh ? Functions.GeluTanh(inner) : Functions.Gelu(inner), mlp.Out.Weight.Value, mlp.Out.Bias!.Value);

        mlp.Forward(x).ToArray().ShouldHaveTheBitsOf(expected.ToArray());
        mlp.Parameters.Select(named => named.Name).Should().Equal("in.weight", "in.bias", "out.weight", "out.bias");
    }

    [Fact]
    public void Both_forms_of_gelu_are_near_each_other_and_stay_finite()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([7], [-1e18f, -80, -1, 0, 1, 80, 1e18f]);
        using Tape tape = new(device);
        tape.Watch(x);

        DeviceArray y = Functions.GeluTanh(x);
        tape.Backward(Functions.Sum(y));

        y.ToArray()[2..].Should().Equal(y.ToArray()[2], 0, y.ToArray()[4], 80, 1e18f);
        y.ToArray()[4].Should().BeApproximately(0.841192f, 1e-6f);
        Functions.Gelu(x).ToArray()[4].Should().BeApproximately(y.ToArray()[4], 1e-3f);
        tape.GradientOf(x).ToArray().Should().OnlyContain(value => float.IsFinite(value));
        tape.GradientOf(x).ToArray()[5..].Should().Equal(1, 1);
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 3, 6]), weight = device.Zeros([6]);
        using BatchNorm norm = new(device, 6);
        using Tape tape = new(device);

        Refused(() => Functions.GroupNorm(x, 4, weight), "*divides the channels*[2, 3, 6]*4 groups*");
        Refused(() => Functions.GroupNorm(device.Zeros([6]), 2, weight), "*[6]*");
        Refused(() => Functions.GroupNorm(x, 2, device.Zeros([3])), "*weight*[6]*[3]*");
        Refused(() => _ = new GroupNorm(device, 6, 4), "*a divisor of the 6 channels*4*");
        Refused(() => _ = new BatchNorm(device, 6, momentum: 0), "*momentum*0*");
        Refused(() => norm.Forward(device.Zeros([1, 6])), "*at least two places*[1, 6]*");
        Refused(() => norm.Forward(device.Zeros([2, 5])), "*BatchNorm takes 6*");
        Refused(() => _ = new Mlp(device, 6, 0, null), "*hiddenDim*");

        static void Refused(Action action, string message) =>
            action.Should().Throw<ArgumentException>().WithMessage(message);
    }
}
