using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Conformance.Cases;

/// <summary>Causal convolution: whole sequences, updates of a buffer, or the last inputs of packed sequences.</summary>
internal static class ConvolutionCase
{
    public static void Run(Device device, Golden golden, Report report)
    {
        if (golden.Has("in.conv_state"))
        {
            RunUpdate(device, golden, report);
        }
        else if (golden.Has("in.weight"))
        {
            RunSequence(device, golden, report);
        }
        else
        {
            RunFinalWindows(device, golden, report);
        }
    }

    private static void RunSequence(Device device, Golden golden, Report report)
    {
        Segments? segments = golden.Segments();
        DeviceArray x = Tokens(golden["in.x"]).To(device), weight = golden["in.weight"].Permute(1, 0).To(device);
        DeviceArray bias = golden.Has("in.bias") ? golden["in.bias"].To(device) : default;
        DeviceArray initial = golden.Has("in.initial_states")
            ? PackedStates.Spread(Tokens(golden["in.initial_states"]), golden, segments).To(device)
            : default;

        using Tape tape = new(device);
        DeviceArray[] inputs = [x, weight, bias, initial];
        foreach (DeviceArray input in inputs.Where(input => input.Exists))
        {
            tape.Watch(input);
        }

        (DeviceArray y, DeviceArray final) = Functions.CausalConvolution(
            x, weight, bias, IsSilu(golden), initial, segments);
        report.Compare("y", Nd.From(y), Tokens(golden["out.y"]), Bounds.Convolution);
        if (golden.Has("out.final_states"))
        {
            Nd last = PackedStates.Last(Nd.From(final), golden, segments);
            report.Compare("final_states", last, Tokens(golden["out.final_states"]), Bounds.Convolution);
        }

        if (!golden.Has("grad_out.y"))
        {
            return;
        }

        List<(DeviceArray, DeviceArray)> upstream = [(y, Tokens(golden["grad_out.y"]).To(device))];
        if (golden.Has("grad_out.final_states"))
        {
            upstream.Add((final, Tokens(golden["grad_out.final_states"]).To(device)));
        }

        tape.Backward([.. upstream]);
        Compare("x", x, Tokens);
        Compare("weight", weight, nd => nd.Permute(1, 0));
        Compare("bias", bias, nd => nd);
        if (golden.Has("grad.initial_states"))
        {
            report.Compare(
                "grad initial_states",
                PackedStates.First(Nd.From(tape.GradientOf(initial)), golden, segments),
                Tokens(golden["grad.initial_states"]),
                Bounds.Convolution);
        }

        void Compare(string name, DeviceArray input, Func<Nd, Nd> layout)
        {
            if (input.Exists && golden.Has($"grad.{name}"))
            {
                Nd gradient = Nd.From(tape.GradientOf(input));
                report.Compare($"grad {name}", gradient, layout(golden[$"grad.{name}"]), Bounds.Convolution);
            }
        }
    }

    private static void RunUpdate(Device device, Golden golden, Report report)
    {
        if (golden.Flag("circular"))
        {
            throw new InvalidDataException("The buffer is circular; the documented form shifts it.");
        }

        // The convolution looks back on width - 1 inputs; a longer buffer holds older ones that nothing reads.
        int rows = golden.Shape("in.weight")[1] - 1;
        Nd x = golden["in.x"];
        if (x.Shape.Length == 3)
        {
            x = x.Reshape(x.Shape[0], x.Shape[1], x.Shape[2], 1);
        }

        DeviceArray window = Tokens(golden["in.conv_state"].Last(rows)).To(device);
        DeviceArray weight = golden["in.weight"].Permute(1, 0).To(device);
        DeviceArray bias = golden.Has("in.bias") ? golden["in.bias"].To(device) : default;
        for (int step = 0; step < x.Shape[0]; step++)
        {
            DeviceArray tokens = Tokens(x.At(step)).To(device);
            DeviceArray y = Functions.CausalConvolutionStep(tokens, weight, bias, IsSilu(golden), window);
            Nd expected = golden["out.y"].At(step).Reshape(x.Shape[1], x.Shape[2], x.Shape[3]);
            report.Compare($"y {step}", Nd.From(y), Tokens(expected), Bounds.Convolution);
            Nd states = Tokens(golden["out.conv_states"].At(step).Last(rows));
            report.Compare($"conv_state {step}", Nd.From(window), states, Bounds.Convolution);
        }
    }

    private static void RunFinalWindows(Device device, Golden golden, Report report)
    {
        int[] shape = golden.Shape("in.x");
        Segments segments = Segments.FromCumulative(golden.Integers("in.cu_seqlens"));
        DeviceArray x = golden["in.x"].Reshape(1, shape[0], shape[1]).To(device);
        DeviceArray weight = device.Zeros([golden.Shape("out.states")[2] + 1, shape[1]]);
        (_, DeviceArray final) = Functions.CausalConvolution(x, weight, default, false, default, segments);
        report.Compare("states", Nd.From(final), Tokens(golden["out.states"]), Bounds.Convolution);
    }

    private static bool IsSilu(Golden golden) => golden.Text("activation") switch
    {
        null => false,
        "silu" or "swish" => true,
        { } other => throw new InvalidDataException($"The activation is \"{other}\"; expected silu or null."),
    };

    /// <summary>(b, d, L) to [b, L, d].</summary>
    private static Nd Tokens(Nd nd) => nd.Permute(0, 2, 1);
}
