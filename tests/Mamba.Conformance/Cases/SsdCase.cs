using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Conformance.Cases;

/// <summary>The state-space dual. The result does not depend on the chunk length, so several are tried.</summary>
internal static class SsdCase
{
    public static void Run(Device device, Golden golden, Report report)
    {
        foreach (int chunk in new[] { 0, golden.Integer("chunk_size_used", 16), 1, 7 }.Distinct())
        {
            using DeviceScope scope = device.Scope();
            Run(device, golden, report, chunk);
        }
    }

    private static void Run(Device device, Golden golden, Report report, int chunk)
    {
        int[] shape = golden.Shape("in.x");
        (int batch, int length, int heads, int headDim) = (shape[0], shape[1], shape[2], shape[3]);
        int[] selection = golden.Shape("in.B");
        (int groups, int states) = (selection[2], selection[3]);
        (float low, float high) = golden.Range("dt_limit");
        Segments? segments = golden.Segments();
        SsdInputs inputs = new()
        {
            X = golden["in.x"].Reshape(batch, length, heads * headDim).To(device),
            Delta = golden["in.dt"].To(device),
            A = golden["in.A"].To(device),
            B = golden["in.B"].Reshape(batch, length, groups * states).To(device),
            C = golden["in.C"].Reshape(batch, length, groups * states).To(device),
            D = golden.Has("in.D") ? golden["in.D"].Reshape(golden["in.D"].Values.Length).To(device) : default,
            Z = golden.Has("in.z") ? golden["in.z"].Reshape(batch, length, heads * headDim).To(device) : default,
            DeltaBias = golden.Has("in.dt_bias") ? golden["in.dt_bias"].To(device) : default,
            InitialState = golden.Has("in.initial_states")
                ? PackedStates.Spread(golden["in.initial_states"], golden, segments).To(device)
                : default,
            Softplus = golden.Flag("dt_softplus"),
            DeltaMin = low,
            DeltaMax = high,
            Groups = groups,
            ChunkLength = chunk,
        };

        using Tape tape = new(device);
        DeviceArray[] all =
        [
            inputs.X, inputs.Delta, inputs.A, inputs.B, inputs.C,
            inputs.D, inputs.Z, inputs.DeltaBias, inputs.InitialState,
        ];
        foreach (DeviceArray input in all.Where(input => input.Exists))
        {
            tape.Watch(input);
        }

        (DeviceArray y, DeviceArray finalState) = Functions.Ssd(inputs, segments);
        string suffix = chunk == 0 ? "" : $" (chunk {chunk})";
        report.Compare($"y{suffix}", Nd.From(y), golden["out.y"], Bounds.Ssd);
        if (golden.Has("out.segment_states"))
        {
            report.Compare($"segment_states{suffix}", Nd.From(finalState), golden["out.segment_states"], Bounds.Ssd);
        }

        if (golden.Has("out.final_states"))
        {
            Nd last = PackedStates.Last(Nd.From(finalState), golden, segments);
            report.Compare($"final_states{suffix}", last, golden["out.final_states"], Bounds.Ssd);
        }

        if (!golden.Has("grad_out.y"))
        {
            return;
        }

        List<(DeviceArray, DeviceArray)> upstream =
            [(y, golden["grad_out.y"].Reshape(batch, length, heads * headDim).To(device))];
        string stateGradient = segments is null ? "grad_out.final_states" : "grad_out.segment_states";
        if (golden.Has(stateGradient))
        {
            upstream.Add((finalState, golden[stateGradient].To(device)));
        }

        tape.Backward([.. upstream]);
        double bound = Bounds.ScanGradient(length);
        string[] names = ["x", "dt", "A", "B", "C", "D", "z", "dt_bias"];
        for (int i = 0; i < names.Length; i++)
        {
            if (all[i].Exists && golden.Has($"grad.{names[i]}"))
            {
                report.Compare(
                    $"grad {names[i]}{suffix}", Nd.From(tape.GradientOf(all[i])), golden[$"grad.{names[i]}"], bound);
            }
        }

        if (golden.Has("grad.initial_states"))
        {
            Nd gradient = PackedStates.First(Nd.From(tape.GradientOf(inputs.InitialState)), golden, segments);
            report.Compare($"grad initial_states{suffix}", gradient, golden["grad.initial_states"], bound);
        }
    }
}
