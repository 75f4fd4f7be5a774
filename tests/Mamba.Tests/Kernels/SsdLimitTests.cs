using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Kernels;

public sealed class SsdLimitTests
{
    [Theory]
    [InlineData("Delta", 80f, 5)]
    [InlineData("Delta", 80f, 100)]
    [InlineData("Delta", -80f, 5)]
    [InlineData("Delta", -80f, 100)]
    [InlineData("Z", 80f, 100)]
    [InlineData("Z", -80f, 100)]
    [InlineData("A", -1e6f, 100)]
    [InlineData("X", 0f, 100)]
    public void Extreme_values_stay_finite(string name, float value, int length)
    {
        SsdCase c = new() { Length = length, HasZ = true };
        Dictionary<string, float[]> values = c.Values();
        values[name].AsSpan().Fill(value);
        using Device device = TestDevice.Open();

        Dictionary<string, DeviceArray> results = c.Run(device, values);

        foreach ((string output, DeviceArray array) in results)
        {
            array.ToArray().Should().OnlyContain(element => float.IsFinite(element), "of {0}", output);
        }
    }

    // Behind tokens that forget everything, others that forget next to nothing: sums of Δ·A around -2000 whose
    // differences must still be good to 1e-7.
    [Fact]
    public void Weak_decays_behind_strong_ones_keep_their_digits()
    {
        SsdCase c = new() { Length = 64, Softplus = false, HasBias = false, Heads = 3, States = 8, ChunkLength = 64 };
        Dictionary<string, float[]> values = c.Values();
        for (int i = 0; i < values["Delta"].Length; i++)
        {
            values["Delta"][i] = i < values["Delta"].Length / 2 ? 40f + (i % 7) : 0.001f + (0.0001f * i);
        }

        using Device device = TestDevice.Open();
        using ReferenceDevice reference = TestDevice.Reference();

        Dictionary<string, DeviceArray> actual = c.Run(device, values), expected = c.Run(reference, values);

        foreach ((string name, DeviceArray array) in actual)
        {
            array.ToArray().ShouldBeClose(ReferenceDevice.Exact(expected[name]), 5e-6, name); // as in SsdTests
        }
    }

    [Fact]
    public void Unwanted_gradients_are_not_computed_and_the_others_are_the_same()
    {
        SsdCase c = new() { Length = 40, HasZ = true, HasChannelD = true };
        using Device device = TestDevice.Open();
        Dictionary<string, DeviceArray> expected = c.Run(device);
        SsdInputs inputs = c.On(device, c.Values());
        SsdOperation ssd = new SsdOperation { Inputs = inputs }.Prepare(device, keep: true);
        ssd.Forward(device);
        DeviceArray gy = c.GradientOfY(device, ssd.Y.Shape), gState = c.GradientOfState(device, ssd.FinalState.Shape);

        foreach (string name in new[] { "X", "Delta", "A", "B", "C", "D", "Z", "DeltaBias", "InitialState" })
        {
            DeviceArray gradient = device.Zeros(expected[name].Shape);
            object gradients = default(SsdInputs);
            typeof(SsdInputs).GetProperty(name)!.SetValue(gradients, gradient);

            ssd.Backward(device, new() { Inputs = (SsdInputs)gradients, Y = gy, FinalState = gState });

            gradient.ToArray().ShouldHaveTheBitsOf(expected[name].ToArray(), name);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_gradient_that_did_not_arrive_counts_as_zeros(bool ofState)
    {
        SsdCase c = new() { Length = 90, HasZ = true };
        using Device device = TestDevice.Open();
        float[][] results = [.. new[] { true, false }.Select(isGiven =>
        {
            SsdInputs inputs = c.On(device, c.Values());
            using Tape tape = new(device);
            tape.Watch(inputs.X);
            (DeviceArray y, DeviceArray finalState) = Functions.Ssd(inputs);
            DeviceArray one = ofState ? finalState : y, other = ofState ? y : finalState;
            DeviceArray gradient = ofState ? c.GradientOfState(device, one.Shape) : c.GradientOfY(device, one.Shape);
            if (isGiven)
            {
                tape.Backward((one, gradient), (other, device.Zeros(other.Shape)));
            }
            else
            {
                tape.Backward((one, gradient));
            }

            return tape.GradientOf(inputs.X).ToArray();
        })];

        results[1].Should().Contain(value => value != 0);
        results[1].ShouldBeClose(results[0], 0);
    }

    [Theory]
    [InlineData("Delta", "*delta*[1, 5, 2]*[1, 5, 3]*")]
    [InlineData("A", "*[3]*[1, 5, 8]*")]
    [InlineData("B", "*C*[1, 5, 3]*[1, 5, 4]*")]
    [InlineData("C", "*C*[1, 5, 4]*[1, 5, 3]*")]
    [InlineData("D", "*D*[8]*[1, 5, 3]*")]
    [InlineData("Z", "*z*[1, 5, 8]*[1, 5, 3]*")]
    [InlineData("DeltaBias", "*bias*[2]*[1, 5, 3]*")]
    [InlineData("InitialState", "*initial state*[1, 2, 4, 4]*[1, 5, 3]*")]
    public void Wrong_shapes_are_refused(string name, string message)
    {
        SsdCase c = new();
        using Device device = TestDevice.Open();
        object inputs = c.On(device, c.Values());
        DeviceArray wrong = name == "A" ? device.Zeros([3]) : device.Zeros([1, 5, 3]);
        typeof(SsdInputs).GetProperty(name)!.SetValue(inputs, wrong);

        Action run = () => Functions.Ssd((SsdInputs)inputs);

        run.Should().Throw<ArgumentException>().WithMessage(message);
    }

    [Fact]
    public void A_number_of_groups_that_does_not_divide_the_heads_is_refused()
    {
        SsdCase c = new() { Heads = 3 };
        using Device device = TestDevice.Open();

        Action run = () => Functions.Ssd(c.On(device, c.Values()) with { Groups = 2 });

        run.Should().Throw<ArgumentException>().WithMessage("*3 heads*2*");
    }

    [Fact]
    public void Numbers_out_of_range_are_refused()
    {
        SsdCase c = new();
        using Device device = TestDevice.Open();
        SsdInputs inputs = c.On(device, c.Values());

        Action chunk = () => Functions.Ssd(inputs with { ChunkLength = -1 });
        Action limits = () => Functions.Ssd(inputs with { DeltaMin = 2, DeltaMax = 1 });
        Action noLimit = () => Functions.Ssd(inputs with { DeltaMax = float.NaN });

        chunk.Should().Throw<ArgumentOutOfRangeException>().WithMessage("*ChunkLength*");
        limits.Should().Throw<ArgumentOutOfRangeException>().WithMessage("*DeltaMin*");
        noLimit.Should().Throw<ArgumentOutOfRangeException>().WithMessage("*DeltaMin*");
    }
}
