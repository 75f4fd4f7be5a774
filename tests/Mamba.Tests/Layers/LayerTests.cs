using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Tests.Layers;

public sealed class LayerTests
{
    private const int Dim = 6;

    [Fact]
    public void Sequential_computes_its_layers_one_after_another()
    {
        using Device device = TestDevice.Open();
        using Linear first = new(device, Dim, 4, true, new Random(1));
        using Linear second = new(device, 4, Dim, false, new Random(2));
        using Sequential both = new(first, new Lambda(device, Functions.Silu), second);
        using DeviceScope scope = device.Scope();
        DeviceArray x = device.Array([2, 3, Dim], Samples.Normal(3, 2 * 3 * Dim));

        float[] y = both.Forward(x).ToArray();

        y.Should().Equal(second.Forward(Functions.Silu(first.Forward(x))).ToArray());
        both.Parameters.Select(named => named.Name).Should().Equal("0.weight", "0.bias", "2.weight");
    }

    [Fact]
    public void Residual_adds_what_its_layer_makes_of_the_normed_input()
    {
        using Device device = TestDevice.Open();
        using Residual residual = new(new GatedMlp(device, Dim, 9, new Random(1)), new RmsNorm(device, Dim));
        using ResidualBlock block = new(
            new MambaMixer(device, new() { ModelDim = Dim }, new Random(1)), Dim);
        using DeviceScope scope = device.Scope();
        DeviceArray x = device.Array([2, 3, Dim], Samples.Normal(3, 2 * 3 * Dim));
        GatedMlp mlp = residual.Modules.Select(named => named.Module).OfType<GatedMlp>().Single();

        float[] y = residual.Forward(x).ToArray();

        y.Should().Equal(Functions.Add(x, mlp.Forward(Functions.RmsNorm(
            x, residual.Parameters.First().Parameter.Value, 1e-5f))).ToArray());
        residual.Parameters.Select(named => named.Name).Should()
            .Equal("norm.weight", "layer.in.weight", "layer.out.weight");
        using Residual other = new(block.Mixer, block.Norm);
        other.Forward(x).ToArray().Should().Equal(((ILayer)block).Forward(x).ToArray());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_stack_whose_norms_add_has_the_bits_of_blocks_that_add(bool mlp)
    {
        using Device device = TestDevice.Open();
        using ResidualBlock first = Block(new MambaMixer(device, new() { ModelDim = Dim }, new Random(1)));
        using ResidualBlock second = Block(
            new Mamba2Mixer(device, new() { ModelDim = Dim, HeadDim = 4, StateDim = 8 }, new Random(2)));
        using RmsNorm norm = new(device, Dim);
        using LayerState state = first.Mixer.CreateState(2), other = first.Mixer.CreateState(2);
        using DeviceScope scope = device.Scope();
        DeviceArray x = device.Array([2, 3, Dim], Samples.Normal(3, 2 * 3 * Dim));
        DeviceArray token = device.Array([2, 1, Dim], Samples.Normal(4, 2 * Dim));

        float[][] added = Run(h => norm.Forward(second.Forward(first.Forward(h))));
        float[][] carried = Run(h => norm.Forward(second.Forward(first.Forward(new ResidualStream(h)))).Y);

        for (int i = 0; i < added.Length; i++)
        {
            carried[i].ShouldHaveTheBitsOf(added[i], $"array {i}");
        }

        DeviceArray afterToken = first.Step(token, state);
        ResidualStream stream = first.Step(new ResidualStream(token), other);
        stream.Sum().ToArray().ShouldHaveTheBitsOf(afterToken.ToArray());
        norm.Forward(stream).Sum.ToArray().ShouldHaveTheBitsOf(afterToken.ToArray());

        ResidualBlock Block(SequenceMixer mixer) =>
            new(mixer, Dim, mlp: mlp ? new GatedMlp(device, Dim, 9, new Random(3)) : null);

        float[][] Run(Func<DeviceArray, DeviceArray> function)
        {
            using Tape tape = new(device);
            tape.Watch(x);
            DeviceArray y = function(x);
            tape.Backward(Functions.Sum(Functions.Multiply(y, y)));
            List<float[]> arrays = [y.ToArray(), tape.GradientOf(x).ToArray()];
            foreach (Parameter parameter in first.Parameters.Concat(second.Parameters).Select(named => named.Parameter))
            {
                arrays.Add(parameter.Gradient.ToArray());
                parameter.ClearGradient();
            }

            return [.. arrays];
        }
    }

    [Fact]
    public void A_layer_that_occurs_twice_counts_once()
    {
        using Device device = TestDevice.Open();
        Linear shared = new(device, Dim, Dim, false, new Random(1));
        using Sequential twice = new(shared, shared);
        using ModuleList<Linear> list = new(device, shared);
        list.Add(shared);

        twice.ParameterCount.Should().Be(Dim * Dim);
        list.Parameters.Select(named => named.Name).Should().Equal("0.weight");
        list.Count.Should().Be(2);
        list[1].Should().BeSameAs(shared);
    }

    [Fact]
    public void What_cannot_be_a_part_is_refused()
    {
        using Device device = TestDevice.Open(), other = TestDevice.Open();
        using Linear here = new(device, Dim, Dim, false, new Random(1));
        using Linear there = new(other, Dim, Dim, false, new Random(1));

        Refused(() => new Sequential(here, new Plain()), "layers[1] must be a Module*found a Plain*Lambda*");
        Refused(() => new Sequential(), "*at least one layer*");
        Refused(() => new Sequential(here, there), "\"1\" is on*");
        Refused(() => new Residual(here, there), "\"norm\" is on*");

        static void Refused(Func<Module> make, string message) =>
            make.Should().Throw<ArgumentException>().WithMessage(message);
    }

    [Fact]
    public void LayerNorm_and_a_convolution_are_layers()
    {
        using Device device = TestDevice.Open();
        using LayerNorm norm = new(device, Dim);
        using DepthwiseConvolution convolution = new(device, Dim, 3, true, new Random(1));
        using DeviceScope scope = device.Scope();
        DeviceArray x = device.Array([2, 5, Dim], Samples.Normal(3, 2 * 5 * Dim));

        norm.Forward(x).ToArray().Should().Equal(
            Functions.LayerNorm(x, norm.Weight.Value, norm.Bias!.Value, 1e-5f).ToArray());
        convolution.Forward(x).ToArray().Should().Equal(
            Functions.CausalConvolution(x, convolution.Weight.Value, convolution.Bias!.Value, silu: false).Y.ToArray());
    }

    [Fact]
    public void Buffers_have_names_and_are_no_parameters()
    {
        using Device device = TestDevice.Open();
        using Statistics statistics = new(device);
        using Sequential layers = new(statistics);

        layers.Buffers.Select(named => named.Name).Should().Equal("0.mean", "0.zero");
        layers.Buffers.Select(named => named.Buffer.ToArray()[0]).Should().Equal(3, 0);
        layers.Parameters.Should().BeEmpty();
        ((Action)statistics.AddMean).Should().Throw<ArgumentException>().WithMessage("*parameter \"mean\" already*");
        layers.Dispose();
        ((Action)(() => statistics.Mean.ToArray())).Should().Throw<ObjectDisposedException>();
    }

    private sealed class Plain : ILayer
    {
        public DeviceArray Forward(DeviceArray x) => x;
    }

    private sealed class Statistics : Module, ILayer
    {
        public Statistics(Device device)
            : base(device)
        {
            Mean = AddBuffer("mean", [Dim], values => values.Fill(3));
            AddBuffer("zero", [1]);
        }

        public DeviceArray Mean { get; }

        public void AddMean() => AddBuffer("mean", [Dim]);

        public DeviceArray Forward(DeviceArray x) => x;
    }
}
