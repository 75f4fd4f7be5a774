using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Tests.Layers;

/// <summary>The selective state-space model by itself, outside of a mixer.</summary>
public sealed class SelectiveSsmTests
{
    private const int Inner = 6;

    private static readonly MambaMixerOptions Options = new()
    {
        ModelDim = 3, InnerDim = Inner, StateDim = 4, TimeStepRank = 2, ParameterNormEpsilon = 1e-5f,
    };

    [Fact]
    public void A_mixer_is_its_projections_its_convolution_and_the_core()
    {
        using Device device = TestDevice.Open();
        using MambaMixer mixer = new(device, Options, new Random(1));
        DeviceArray x = Tokens(device, 3);

        DeviceArray projected = mixer.InProjection.Forward(x);
        DeviceArray convolved = Functions.CausalConvolution(
            projected.Slice(0, Inner), mixer.Convolution.Weight.Value, mixer.Convolution.Bias!.Value, silu: true).Y;
        DeviceArray y = mixer.OutProjection.Forward(mixer.Ssm.Forward(convolved, projected.Slice(Inner, Inner)));

        y.ToArray().ShouldHaveTheBitsOf(mixer.Forward(x).ToArray());
    }

    [Fact]
    public void What_it_selects_can_be_changed_and_learns()
    {
        using Device device = TestDevice.Open();
        using SelectiveSsm ssm = new(device, Options, new Random(1));
        ssm.Parameters.Select(named => named.Name).Should().Equal(
            "a_log", "d", "x_projection.weight", "dt_projection.weight", "dt_projection.bias");
        DeviceArray x = Tokens(device, Inner);
        using Tape tape = new(device);

        DeviceArray y = Functions.SelectiveScan(ssm.Select(x) with { D = default }).Y;
        tape.Backward((y, device.Array(y.Shape, Samples.Normal(2, (int)y.Shape.Count))));

        ssm.D.Gradient.Exists.Should().BeFalse();
        ssm.Parameters.Where(named => named.Name != "d").Should().OnlyContain(
            named => named.Parameter.Gradient.ToArray().Any(value => value != 0));
        float[] skip = (Functions.SelectiveScan(ssm.Select(x)).Y - y).ToArray();
        skip.ShouldBeClose(x.ToArray(), 1e-5, "D is 1 at the start");
    }

    [Fact]
    public void Packed_sequences_do_not_see_each_other()
    {
        using Device device = TestDevice.Open();
        using SelectiveSsm ssm = new(device, Options, new Random(1));
        DeviceArray x = Tokens(device, Inner);

        float[] packed = ssm.Forward(x.Reshape([1, 10, Inner]), segments: Segments.FromLengths([5, 5])).ToArray();

        packed.ShouldBeClose(ssm.Forward(x).ToArray(), 3e-6, "as of whole mixers");
    }

    [Fact]
    public void Another_width_is_refused()
    {
        using Device device = TestDevice.OpenBare();
        using SelectiveSsm ssm = new(device, Options, new Random(1));

        FluentActions.Invoking(() => ssm.Select(Tokens(device, 5))).Should().Throw<ArgumentException>()
            .WithMessage("The input [2, 5, 5] has width 5; this Linear takes 6.*");
    }

    private static DeviceArray Tokens(Device device, int width) =>
        device.Array([2, 5, width], Samples.Normal(1, 10 * width));
}
