using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Operations;

namespace Mamba.Tests.Kernels;

public sealed class SelectiveScanShapeTests
{
    public static TheoryData<string, string> Mistakes => new()
    {
        { "x", "*[batch, length, channels]*[4, 6]*" },
        { "Δ", "*Δ*[2, 4, 6]*[2, 4, 5]*" },
        { "A", "*A of [states, 6]*[3, 5]*" },
        { "B", "*B of [2, 4, groups·3]*[2, 4, 4]*" },
        { "C", "*C of [2, 4, groups·3]*[2, 3, 3]*" },
        { "groups", "*equally many groups*C has shape [2, 4, 3]*6*" },
        { "channels", "*multiple of 4 channels*6*" },
        { "constant B", "*constant B of shape [3, 6]*[6, 3]*" },
        { "D", "*D of shape [6]*[7]*" },
        { "z", "*z of shape [2, 4, 6]*[2, 4, 7]*" },
        { "the bias", "*bias of Δ of shape [6]*[1]*" },
        { "the initial state", "*initial state of shape [2, 3, 6]*[1, 3, 6]*" },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void Wrong_shapes_are_refused_with_what_was_expected(string what, string message)
    {
        using Device device = TestDevice.Open();
        ScanInputs good = new ScanCase(2, 4, 6, 3).Inputs(device);
        ScanInputs wrong = what switch
        {
            "x" => good with { X = device.Zeros([4, 6]) },
            "Δ" => good with { Delta = device.Zeros([2, 4, 5]) },
            "A" => good with { A = device.Zeros([3, 5]) },
            "B" => good with { B = device.Zeros([2, 4, 4]) },
            "C" => good with { C = device.Zeros([2, 3, 3]) },
            "groups" => good with { B = device.Zeros([2, 4, 6]) },
            "channels" => good with { B = device.Zeros([2, 4, 12]), C = device.Zeros([2, 4, 12]) },
            "constant B" => good with { B = device.Zeros([6, 3]), HasConstantB = true },
            "D" => good with { D = device.Zeros([7]) },
            "z" => good with { Z = device.Zeros([2, 4, 7]) },
            "the bias" => good with { DeltaBias = device.Zeros([1]) },
            _ => good with { InitialState = device.Zeros([1, 3, 6]) },
        };

        Action scan = () => Functions.SelectiveScan(wrong);

        scan.Should().Throw<ArgumentException>().WithMessage(message);
    }

    [Fact]
    public void A_step_from_two_states_is_refused()
    {
        using Device device = TestDevice.Open();
        ScanCase scan = new(2, 1, 6, 3);

        Action step = () => Functions.SelectiveScanStep(scan.Inputs(device), device.Zeros(scan.StateShape));

        step.Should().Throw<ArgumentException>().WithMessage("*state [2, 3, 6]*initial state*");
    }

    [Fact]
    public void A_step_with_a_state_of_another_shape_is_refused()
    {
        using Device device = TestDevice.Open();
        ScanInputs inputs = new ScanCase(2, 1, 6, 3).Inputs(device) with { InitialState = default };

        Action step = () => Functions.SelectiveScanStep(inputs, device.Zeros([2, 6, 3]));

        step.Should().Throw<ArgumentException>().WithMessage("*[2, 3, 6]*[2, 6, 3]*");
    }

    [Fact]
    public void A_step_that_a_tape_follows_is_refused()
    {
        using Device device = TestDevice.Open();
        ScanInputs inputs = new ScanCase(2, 1, 6, 3).Inputs(device) with { InitialState = default };
        using Tape tape = new(device);
        tape.Watch(inputs.X);

        Action step = () => Functions.SelectiveScanStep(inputs, device.Zeros([2, 3, 6]));

        step.Should().Throw<InvalidOperationException>().WithMessage("*no backward pass*");
    }
}
