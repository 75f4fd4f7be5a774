using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Conformance.Cases;

/// <summary>
/// The Mamba-1 scan: reference tensors are (batch, channels, length), ours [batch, length, channels].
/// </summary>
internal static class SelectiveScanCase
{
    public static void Run(Device device, Golden golden, Report report)
    {
        bool complex = golden.Flag("complex") || golden.Shape("in.A").Length == 3;
        bool constantB = IsConstant(golden, "B", complex), constantC = IsConstant(golden, "C", complex);
        Segments? segments = golden.Segments();
        ScanInputs inputs = new()
        {
            X = Tokens(golden["in.u"]).To(device),
            Delta = Tokens(golden["in.delta"]).To(device),
            A = Matrix(golden["in.A"], complex).To(device),
            B = Selection(golden["in.B"], constantB, complex).To(device),
            C = Selection(golden["in.C"], constantC, complex).To(device),
            HasConstantB = constantB,
            HasConstantC = constantC,
            D = Optional(device, golden, "in.D"),
            Z = golden.Has("in.z") ? Tokens(golden["in.z"]).To(device) : default,
            DeltaBias = Optional(device, golden, "in.delta_bias"),
            InitialState = golden.Has("in.initial_state")
                ? PackedStates.Spread(State(golden["in.initial_state"], complex), golden, segments).To(device)
                : default,
            Softplus = golden.Flag("delta_softplus"),
        };

        using Tape tape = new(device);
        foreach (DeviceArray input in Inputs(inputs).Where(input => input.Exists))
        {
            tape.Watch(input);
        }

        (DeviceArray y, DeviceArray state) = Functions.SelectiveScan(inputs, segments);
        report.Compare("y", Nd.From(y), Tokens(golden["out.y"]), Bounds.Scan);
        string stateName = segments is null ? "last_state" : "segment_states";
        if (golden.Has($"out.{stateName}"))
        {
            report.Compare(stateName, Nd.From(state), State(golden[$"out.{stateName}"], complex), Bounds.Scan);
        }

        if (!golden.Has("grad_out.y"))
        {
            return;
        }

        List<(DeviceArray, DeviceArray)> upstream = [(y, Tokens(golden["grad_out.y"]).To(device))];
        if (golden.Has($"grad_out.{stateName}"))
        {
            upstream.Add((state, State(golden[$"grad_out.{stateName}"], complex).To(device)));
        }

        tape.Backward([.. upstream]);
        double bound = Bounds.ScanGradient(inputs.X.Shape[1]);
        Compare("u", inputs.X, Tokens);
        Compare("delta", inputs.Delta, Tokens);
        Compare("A", inputs.A, nd => Matrix(nd, complex));
        Compare("B", inputs.B, nd => Selection(nd, constantB, complex));
        Compare("C", inputs.C, nd => Selection(nd, constantC, complex));
        Compare("D", inputs.D, nd => nd);
        Compare("z", inputs.Z, Tokens);
        Compare("delta_bias", inputs.DeltaBias, nd => nd);
        if (golden.Has("grad.initial_state"))
        {
            Nd gradient = Nd.From(tape.GradientOf(inputs.InitialState));
            report.Compare(
                "grad initial_state",
                PackedStates.First(gradient, golden, segments),
                State(golden["grad.initial_state"], complex),
                bound);
        }

        void Compare(string name, DeviceArray input, Func<Nd, Nd> layout)
        {
            if (input.Exists && golden.Has($"grad.{name}"))
            {
                report.Compare(
                    $"grad {name}", Nd.From(tape.GradientOf(input)), layout(golden[$"grad.{name}"]), bound);
            }
        }
    }

    private static DeviceArray[] Inputs(ScanInputs inputs) =>
    [
        inputs.X, inputs.Delta, inputs.A, inputs.B, inputs.C,
        inputs.D, inputs.Z, inputs.DeltaBias, inputs.InitialState,
    ];

    private static DeviceArray Optional(Device device, Golden golden, string name) =>
        golden.Has(name) ? golden[name].To(device) : default;

    /// <summary>
    /// (channels, n) is constant; with complex numbers (channels, n, 2) is, and only the options tell.
    /// </summary>
    private static bool IsConstant(Golden golden, string name, bool complex) => complex
        ? golden.Text(name)?.StartsWith("constant", StringComparison.Ordinal) == true
        : golden.Shape($"in.{name}").Length == 2;

    /// <summary>(b, d, L) to [b, L, d].</summary>
    private static Nd Tokens(Nd nd) => nd.Permute(0, 2, 1);

    /// <summary>(d, n) to [n, d]; complex (d, n, 2) to [2, n, d].</summary>
    private static Nd Matrix(Nd nd, bool complex) => complex ? nd.Permute(2, 1, 0) : nd.Permute(1, 0);

    /// <summary>(b, d, n) to [b, n, d]; complex (b, d, n, 2) to [b, 2, n, d].</summary>
    private static Nd State(Nd nd, bool complex) => complex ? nd.Permute(0, 3, 2, 1) : nd.Permute(0, 2, 1);

    /// <summary>
    /// B or C: constant as a matrix, else (b, [g,] n, L) or complex (b, [g,] n, 2L) to [b, L, g·n(·2)].
    /// </summary>
    private static Nd Selection(Nd nd, bool constant, bool complex)
    {
        if (constant)
        {
            return Matrix(nd, complex);
        }

        int batch = nd.Shape[0], parts = complex ? 2 : 1, length = nd.Shape[^1] / parts;
        int states = nd.Values.Length / Math.Max(batch * length * parts, 1);
        return nd.Reshape(batch, states, length, parts).Permute(0, 2, 1, 3).Reshape(batch, length, states * parts);
    }
}
