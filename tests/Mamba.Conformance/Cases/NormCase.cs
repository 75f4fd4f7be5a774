using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Conformance.Cases;

/// <summary>RMS norm, layer norm, and the gated norm.</summary>
internal static class NormCase
{
    public static void Run(Device device, Golden golden, Report report)
    {
        Dictionary<string, DeviceArray> inputs = [];
        using Tape tape = new(device);
        foreach (string name in golden.Names.Where(name => name.StartsWith("in.", StringComparison.Ordinal)))
        {
            DeviceArray array = golden[name].To(device);
            tape.Watch(array);
            inputs.Add(name[3..], array);
        }

        (DeviceArray y, DeviceArray sum) = Forward(golden, inputs);
        report.Compare("y", Nd.From(y), golden["out.y"], Bounds.Norm);
        if (sum.Exists && golden.Has("out.residual"))
        {
            report.Compare("residual", Nd.From(sum), golden["out.residual"], Bounds.Norm);
        }

        if (!golden.Has("grad_out.y"))
        {
            return;
        }

        List<(DeviceArray, DeviceArray)> upstream = [(y, golden["grad_out.y"].To(device))];
        if (sum.Exists && golden.Has("grad_out.residual"))
        {
            upstream.Add((sum, golden["grad_out.residual"].To(device)));
        }

        tape.Backward([.. upstream]);
        foreach ((string name, DeviceArray input) in inputs)
        {
            if (golden.Has($"grad.{name}"))
            {
                Nd gradient = Nd.From(tape.GradientOf(input));
                report.Compare($"grad {name}", gradient, golden[$"grad.{name}"], Bounds.NormGradient);
            }
        }
    }

    private static (DeviceArray Y, DeviceArray Sum) Forward(Golden golden, Dictionary<string, DeviceArray> inputs)
    {
        float epsilon = (float)golden.Number("eps", 1e-5);
        DeviceArray x = inputs["x"];
        DeviceArray weight = Find("weight"), bias = Find("bias"), residual = Find("residual");
        switch (golden.Text("kind"))
        {
            case "rms":
                return residual.Exists ? Functions.AddRmsNorm(x, residual, weight, epsilon, bias)
                    : (Functions.RmsNorm(x, weight, epsilon, bias), default);
            case "layernorm":
                return residual.Exists ? Functions.AddLayerNorm(x, residual, weight, bias, epsilon)
                    : (Functions.LayerNorm(x, weight, bias, epsilon), default);
            case "gated_rms":
                int? group = golden.Integer("group_size", 0) is var size and > 0 ? size : null;
                bool before = golden.Flag("norm_before_gate");
                return (Functions.GatedRmsNorm(x, inputs["z"], weight, bias, epsilon, group, before), default);
            default:
                throw new InvalidDataException(
                    $"The norm's kind is \"{golden.Text("kind")}\", which is not documented.");
        }

        DeviceArray Find(string name) => inputs.GetValueOrDefault(name);
    }
}
