using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Conformance.Cases;

/// <summary>
/// One recurrent step, or several. Mamba-2's untied form has a Δ and an A for every channel of a head, so it is a
/// Mamba-1 step over heads·headdim channels; its tied form is computed as a Mamba-2 step too.
/// </summary>
internal static class StateUpdateCase
{
    public static void Run(Device device, Golden golden, Report report)
    {
        int steps = golden.Integer("steps", 1);
        bool heads = golden.Text("layout") == "mamba2";
        RunPerChannel(device, golden, report, steps, heads);
        if (heads && golden.Flag("tied"))
        {
            RunPerHead(device, golden, report, steps);
        }
    }

    private static void RunPerChannel(Device device, Golden golden, Report report, int steps, bool heads)
    {
        Nd initial = golden["in.state"];
        int batch = initial.Shape[0], states = initial.Shape[^1];
        int channels = initial.Values.Length / (batch * states);
        DeviceArray state = initial.Reshape(batch, channels, states).Permute(0, 2, 1).To(device);
        DeviceArray a = golden["in.A"].Reshape(channels, states).Permute(1, 0).To(device);
        for (int step = 0; step < steps; step++)
        {
            ScanInputs inputs = new()
            {
                X = At(golden, "in.x", step, steps).Reshape(batch, 1, channels).To(device),
                Delta = At(golden, "in.dt", step, steps).Reshape(batch, 1, channels).To(device),
                A = a,
                B = Selection(golden, "in.B", step, steps, batch).To(device),
                C = Selection(golden, "in.C", step, steps, batch).To(device),
                D = Flat(device, golden, "in.D"),
                Z = golden.Has("in.z")
                    ? At(golden, "in.z", step, steps).Reshape(batch, 1, channels).To(device)
                    : default,
                DeltaBias = Flat(device, golden, "in.dt_bias"),
                Softplus = golden.Flag("dt_softplus"),
            };
            DeviceArray y = Functions.SelectiveScanStep(inputs, state);
            string name = heads ? "per channel: " : "";
            report.Compare($"{name}y {step}", Nd.From(y), At(golden, "out.y", step, steps), Bounds.StateUpdate);
            report.Compare(
                $"{name}state {step}", Nd.From(state).Permute(0, 2, 1), State(golden, step, steps), Bounds.StateUpdate);
        }
    }

    private static void RunPerHead(Device device, Golden golden, Report report, int steps)
    {
        Nd initial = golden["in.state"];
        (int batch, int heads, int headDim) = (initial.Shape[0], initial.Shape[1], initial.Shape[2]);
        DeviceArray state = initial.To(device);
        DeviceArray a = FirstOfEach(golden["in.A"], heads).Reshape(heads).To(device);
        for (int step = 0; step < steps; step++)
        {
            Nd b = At(golden, "in.B", step, steps);
            SsdInputs inputs = new()
            {
                X = At(golden, "in.x", step, steps).Reshape(batch, 1, heads * headDim).To(device),
                Delta = FirstOfEach(At(golden, "in.dt", step, steps), batch * heads)
                    .Reshape(batch, 1, heads)
                    .To(device),
                A = a,
                B = Selection(golden, "in.B", step, steps, batch).To(device),
                C = Selection(golden, "in.C", step, steps, batch).To(device),
                D = Flat(device, golden, "in.D"),
                Z = golden.Has("in.z")
                    ? At(golden, "in.z", step, steps).Reshape(batch, 1, heads * headDim).To(device)
                    : default,
                DeltaBias = golden.Has("in.dt_bias")
                    ? FirstOfEach(golden["in.dt_bias"], heads).Reshape(heads).To(device)
                    : default,
                Softplus = golden.Flag("dt_softplus"),
                Groups = b.Shape[1],
            };
            DeviceArray y = Functions.SsdStep(inputs, state);
            report.Compare($"per head: y {step}", Nd.From(y), At(golden, "out.y", step, steps), Bounds.StateUpdate);
            report.Compare($"per head: state {step}", Nd.From(state), State(golden, step, steps), Bounds.StateUpdate);
        }
    }

    /// <summary>A tensor of one step; only files of several steps have a step axis.</summary>
    private static Nd At(Golden golden, string name, int step, int steps) =>
        steps > 1 ? golden[name].At(step) : golden[name];

    private static Nd State(Golden golden, int step, int steps) =>
        steps > 1 ? golden["out.states"].At(step) : golden["out.state"];

    private static Nd Selection(Golden golden, string name, int step, int steps, int batch)
    {
        Nd nd = At(golden, name, step, steps);
        return nd.Reshape(batch, 1, nd.Values.Length / batch);
    }

    private static DeviceArray Flat(Device device, Golden golden, string name) =>
        golden.Has(name) ? golden[name].Reshape(golden[name].Values.Length).To(device) : default;

    /// <summary>The first of each run of equal values.</summary>
    private static Nd FirstOfEach(Nd nd, int count)
    {
        int run = nd.Values.Length / count;
        return new([count], [.. Enumerable.Range(0, count).Select(i => nd.Values[i * run])]);
    }
}
