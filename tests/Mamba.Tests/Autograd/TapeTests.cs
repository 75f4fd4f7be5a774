using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Tests.Autograd;

/// <summary>What a tape is asked for is right, or refused by name.</summary>
public sealed class TapeTests
{
    [Fact]
    public void Backward_goes_once_and_several_outputs_go_together()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([1], [1]);
        using (Tape together = new(device))
        {
            together.Watch(x);
            DeviceArray a = Functions.Scale(x, 1), b = Functions.Scale(x, 10), one = device.Array([1], [1]);
            together.Backward((a, one), (b, one));
            together.GradientOf(x).ToArray().Should().Equal(11);
        }

        using Tape tape = new(device);
        tape.Watch(x);
        DeviceArray first = Functions.Scale(x, 1), second = Functions.Scale(x, 10);
        tape.Backward(first);

        tape.Invoking(t => t.Backward(second)).Should().Throw<InvalidOperationException>()
            .WithMessage("*has gone backward*Backward((a, ga), (b, gb))*");
        tape.GradientOf(x).ToArray().Should().Equal(1);
    }

    [Fact]
    public void Nothing_is_recorded_after_the_way_back()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([1], [1]);
        using Tape tape = new(device);
        tape.Watch(x);
        tape.Backward(Functions.Scale(x, 3));

        Functions.Scale(x, 2).RequiresGradient.Should().BeFalse();
        tape.Invoking(t => t.Watch(x)).Should().Throw<InvalidOperationException>().WithMessage("*has gone backward*");
    }

    [Fact]
    public void An_output_that_the_tape_has_not_recorded_is_refused()
    {
        using Device device = TestDevice.Open();
        using Linear linear = new(device, 2, 1, false, new Random(1));
        DeviceArray x = device.Array([1, 2], [1, 2]), early = linear.Forward(x);
        using Tape tape = new(device);
        DeviceArray plain = Functions.Silu(device.Array([1], [1]));
        DeviceArray paused;
        using (tape.Suspend())
        {
            paused = linear.Forward(x);
        }

        foreach (DeviceArray output in new[] { early, plain, paused })
        {
            tape.Invoking(t => t.Backward(output)).Should().Throw<InvalidOperationException>()
                .WithMessage("This tape has not recorded the output*before the tape began or while it was suspended*");
        }

        linear.Weight.IsTrainable = false;
        DeviceArray frozen = linear.Forward(x);
        tape.Invoking(t => t.Backward(frozen))
            .Should().Throw<InvalidOperationException>().WithMessage("*no trainable parameter*");
        tape.Invoking(t => t.GradientOf(x))
            .Should().Throw<InvalidOperationException>().WithMessage("*does not follow*Watch*");
    }

    [Fact]
    public void A_tape_that_is_disposed_is_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([1], [1]);
        Tape tape = new(device);
        tape.Watch(x);
        DeviceArray y = Functions.Silu(x);
        tape.Dispose();
        tape.Dispose();

        Action[] uses = [() => tape.Backward(y), () => tape.Watch(x), () => tape.GradientOf(x), () => tape.Suspend()];

        uses.Should().AllSatisfy(
            use => use.Should().Throw<ObjectDisposedException>().WithMessage("This tape has been disposed*"));
        x.RequiresGradient.Should().BeFalse();
    }

    [Fact]
    public void An_array_of_another_device_is_refused()
    {
        using Device device = TestDevice.Open();
        using CpuDevice other = TestDevice.Cpu(3);
        DeviceArray x = device.Array([1], [1]), foreign = other.Array([1], [1]);
        using Tape tape = new(device);
        tape.Watch(x);
        DeviceArray y = Functions.Silu(x);

        Action[] uses =
        [
            () => tape.Backward(foreign), () => tape.Watch(foreign), () => tape.GradientOf(foreign),
            () => tape.Backward((y, foreign)),
        ];

        uses.Should().AllSatisfy(
            use => use.Should().Throw<ArgumentException>().WithMessage("*tape records on*array is on*3 threads*"));
    }

    [Fact]
    public void Gradients_of_other_shapes_and_none_at_all_are_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([2], [1, 2]);
        using Tape tape = new(device);
        tape.Watch(x);
        DeviceArray y = Functions.Silu(x);

        tape.Invoking(t => t.Backward(y))
            .Should().Throw<ArgumentException>().WithMessage("Expected one element; found [2]*");
        tape.Invoking(t => t.Backward((y, device.Array([1], [1])))).Should().Throw<ArgumentException>()
            .WithMessage("Expected a gradient of shape [2]; found [1].");
        tape.Invoking(t => t.Backward((y, default)))
            .Should().Throw<ArgumentException>().WithMessage("*gradient is required*");
        tape.Invoking(t => t.Backward()).Should().Throw<ArgumentException>().WithMessage("*found none*");
        tape.Backward((y, device.Array([2], [1, 1])));
    }

    [Fact]
    public void A_tape_needs_a_scope_and_ends_with_it()
    {
        using Device device = TestDevice.OpenBare();
        Action bare = () => new Tape(device).Dispose();
        bare.Should().Throw<InvalidOperationException>().WithMessage("*needs a scope*");

        Tape tape;
        DeviceArray x;
        using (DeviceScope outer = device.Scope())
        {
            using (device.Scope())
            {
                tape = new(device);
            }

            x = outer.Keep(device.Array([1], [1]));
            tape.Invoking(t => t.Watch(x))
                .Should().Throw<InvalidOperationException>().WithMessage("*its scope has ended*");
            using Tape next = new(device);
            next.Watch(x);
            next.Backward(Functions.Silu(x));
        }

        tape.Dispose();
        device.Free(x);
    }

    [Fact]
    public void Every_tape_that_watches_an_array_begins_with_no_gradient()
    {
        using Device device = TestDevice.OpenBare();
        DeviceArray x = device.Array([2], [1, 2]);
        for (int i = 0; i < 3; i++)
        {
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            tape.Watch(x);
            tape.Watch(x);
            tape.Backward(Functions.Sum(Functions.Scale(x, 3)));
            tape.GradientOf(x).ToArray().Should().Equal(3, 3);
        }

        x.RequiresGradient.Should().BeFalse();
        using (device.Scope())
        {
            using Tape other = new(device);
            Functions.Silu(x).RequiresGradient.Should().BeFalse("another tape does not watch it");
        }

        long before = device.AllocatedBytes;
        device.Free(x);
        device.AllocatedBytes.Should().BeLessThan(before);
    }

    [Fact]
    public void Operations_whose_outputs_end_with_an_inner_scope_are_forgotten()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([1], [2]);
        using Tape tape = new(device);
        tape.Watch(x);
        DeviceArray y = Functions.Scale(x, 3);
        using (device.Scope())
        {
            Functions.Silu(Functions.Scale(x, 7)).ToArray(); // a figure to look at
        }

        tape.Backward(Functions.Scale(y, 2));

        tape.GradientOf(x).ToArray().Should().Equal(6);
    }

    [Fact]
    public void An_inner_scope_that_took_what_the_way_back_needs_is_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([1], [2]), y;
        using Tape tape = new(device);
        tape.Watch(x);
        using (DeviceScope inner = device.Scope())
        {
            y = inner.Keep(Functions.Silu(Functions.Scale(x, 7)));
        }

        tape.Invoking(t => t.Backward(y)).Should().Throw<InvalidOperationException>()
            .WithMessage("A scope that was opened under this tape has ended*");
    }

    [Fact]
    public void A_suspended_tape_goes_on()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([1], [2]);
        using Tape tape = new(device);
        tape.Watch(x);
        DeviceArray y = Functions.Scale(x, 3);
        using (tape.Suspend())
        {
            Functions.Scale(x, 5).RequiresGradient.Should().BeFalse();
            using (device.Scope())
            {
                using Tape inner = new(device);
                DeviceArray z = device.Array([1], [1]);
                inner.Watch(z);
                inner.Backward(Functions.Scale(z, 4));
                inner.GradientOf(z).ToArray().Should().Equal(4);
            }
        }

        tape.Backward(Functions.Scale(y, 2));

        tape.GradientOf(x).ToArray().Should().Equal(6);
    }

    [Fact]
    public void Steps_refuse_what_a_tape_follows()
    {
        using Device device = TestDevice.Open();
        using Tape tape = new(device);
        DeviceArray x = device.Array([1, 2], [1, 2]);
        DeviceArray hidden = device.Zeros([1, 1, 2, 2]), window = device.Zeros([1, 1, 2]);
        tape.Watch(x);
        SsdInputs ssd = new()
        {
            X = x, Delta = device.Array([1, 1], [1]), A = device.Array([1], [-1]), B = device.Array([1, 2], [1, 1]),
            C = device.Array([1, 2], [1, 1]),
        };
        ScanInputs scan = new()
        {
            X = x, Delta = x, A = device.Array([1, 2], [-1, -1]),
            B = device.Array([1, 1], [1]), C = device.Array([1, 1], [1]),
        };
        Action[] steps =
        [
            () => Functions.SsdStep(ssd, hidden),
            () => Functions.SelectiveScanStep(scan, device.Zeros([1, 1, 2])),
            () => Functions.CausalConvolutionStep(x.Reshape([1, 1, 2]), device.Zeros([2, 2]), default, false, window),
        ];

        steps.Should().AllSatisfy(step => step.Should().Throw<InvalidOperationException>().WithMessage("*"));
        using (tape.Suspend())
        {
            Functions.SsdStep(ssd, hidden).ToArray().Should().Equal(2, 4);
            Action twice = () => Functions.SsdStep(ssd with { InitialState = hidden }, hidden);
            twice.Should().Throw<ArgumentException>().WithMessage("*starts from its state*initial state*");
        }
    }

    [Fact]
    public void A_gradient_is_told_to_be_complete_when_no_operation_is_left_that_adds_to_it()
    {
        using Device device = TestDevice.Open();
        using Tape tape = new(device);
        DeviceArray early = device.Array([2], [1, 2]), late = device.Array([2], [3, 4]);
        DeviceArray unused = device.Array([1], [5]);
        List<string> order = [];
        foreach ((string name, DeviceArray array) in new[] { ("early", early), ("late", late), ("unused", unused) })
        {
            tape.Watch(array);
            tape.WhenComplete(
                array, () => order.Add($"{name}: {string.Join(' ', tape.GradientOf(array).ToArray())}"));
        }

        DeviceArray first = Functions.Multiply(early, early);
        DeviceArray second = Functions.Multiply(Functions.Multiply(first, late), late);
        tape.Backward(Functions.Sum(Functions.Add(second, early)));

        // Σ early²·late² + early: 2·early·late² + 1, and 2·early²·late.
        order.Should().Equal("unused: 0", "late: 6 32", "early: 19 65");
    }

    [Fact]
    public void A_parameter_inside_a_recomputed_function_is_complete_after_the_last_of_its_uses()
    {
        using Device device = TestDevice.Open();
        using Linear linear = new(device, 3, 3, false, new Random(1));
        DeviceArray x = device.Array([2, 3], Samples.Normal(2, 6)), weight = linear.Weight.Value;
        using Tape tape = new(device);
        List<float[]> gradients = [];
        tape.WhenComplete(weight, () => gradients.Add(tape.GradientOf(weight).ToArray()));

        DeviceArray y = Functions.Recompute(linear.Forward, Functions.Recompute(linear.Forward, x));
        tape.Backward(Functions.Sum(Functions.Silu(y)));

        gradients.Should().ContainSingle().Which.ShouldHaveTheBitsOf(tape.GradientOf(weight).ToArray());
        gradients[0].Should().Contain(value => value != 0);
    }

    [Fact]
    public void What_is_computed_when_a_gradient_is_complete_is_not_recorded()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([1], [3]);
        using Tape tape = new(device);
        tape.Watch(x);
        bool? follows = null;
        tape.WhenComplete(x, () => follows = Functions.Scale(x, 2).RequiresGradient);

        tape.Backward(Functions.Multiply(x, x));

        follows.Should().BeFalse();
        tape.GradientOf(x).ToArray().Should().Equal(6);
        tape.Invoking(t => t.WhenComplete(x, () => { })).Should().Throw<InvalidOperationException>()
            .WithMessage("*has gone backward*");
    }
}
