using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Kernels;

/// <summary>A selective scan of random numbers: the same on every device.</summary>
internal sealed record ScanCase(int Batch, int Length, int Channels, int States)
{
    private const int Padding = 3;

    public int Groups { get; init; } = 1;

    public bool IsComplex { get; init; }

    /// <summary>Whether A is given as its logarithm.</summary>
    public bool IsALog { get; init; }

    public bool HasConstantB { get; init; }

    public bool HasConstantC { get; init; }

    /// <summary>Whether D, z, the bias of Δ, softplus and an initial state are used.</summary>
    public bool HasOptions { get; init; } = true;

    /// <summary>Whether what may be a slice is one.</summary>
    public bool IsSliced { get; init; }

    public int[]? SegmentLengths { get; init; }

    public int Seed { get; init; } = 1;

    public Segments? Segments => SegmentLengths is null ? null : Segments.FromLengths(SegmentLengths);

    public int Sequences => SegmentLengths?.Length ?? Batch;

    public Shape StateShape => IsComplex ? [Sequences, 2, States, Channels] : [Sequences, States, Channels];

    private int Parts => IsComplex ? 2 : 1;

    public ScanInputs Inputs(Device device) =>
        IsALog ? InputsOf(device) with { ALog = A(device) } : InputsOf(device);

    private ScanInputs InputsOf(Device device) => new()
    {
        X = Rows(device, 1, Channels),
        Delta = HasOptions ? Rows(device, 2, Channels) : Positive(device),
        A = A(device),
        B = Coupling(device, 4, HasConstantB),
        C = Coupling(device, 5, HasConstantC),
        D = HasOptions ? Normal(device, 6, [Channels]) : default,
        Z = HasOptions ? Rows(device, 7, Channels) : default,
        DeltaBias = HasOptions ? Normal(device, 8, [Channels]) : default,
        InitialState = HasOptions ? Normal(device, 9, StateShape) : default,
        HasConstantB = HasConstantB,
        HasConstantC = HasConstantC,
        Softplus = HasOptions,
    };

    /// <summary>Outputs, and the gradients of fixed random sums of both outputs.</summary>
    public Dictionary<string, double[]> Run(Device device)
    {
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        ScanInputs inputs = Inputs(device);
        foreach ((_, DeviceArray input) in Named(inputs))
        {
            tape.Watch(input);
        }

        (DeviceArray y, DeviceArray state) = Functions.SelectiveScan(inputs, Segments);
        tape.Backward((y, Normal(device, 10, y.Shape)), (state, Normal(device, 11, state.Shape)));
        Dictionary<string, double[]> results = new() { ["y"] = Values(y), ["final state"] = Values(state) };
        foreach ((string name, DeviceArray input) in Named(inputs))
        {
            results.Add($"gradient of {name}", Values(tape.GradientOf(input)));
        }

        return results;
    }

    public static IEnumerable<(string Name, DeviceArray Array)> Named(ScanInputs inputs) =>
        new (string, DeviceArray)[]
        {
            ("x", inputs.X), ("Δ", inputs.Delta), ("A", inputs.GivenA), ("B", inputs.B), ("C", inputs.C),
            ("D", inputs.D),
            ("z", inputs.Z), ("the bias", inputs.DeltaBias), ("the initial state", inputs.InitialState),
        }.Where(pair => pair.Item2.Exists);

    public static double[] Values(DeviceArray array) =>
        ReferenceDevice.ValuesOf(array);

    public DeviceArray Normal(Device device, int seed, Shape shape) =>
        device.Array(shape, Samples.Normal((100 * Seed) + seed, (int)shape.Count));

    private DeviceArray Rows(Device device, int seed, int width)
    {
        if (!IsSliced)
        {
            return Normal(device, seed, [Batch, Length, width]);
        }

        return Normal(device, seed, [Batch, Length, width + (2 * Padding)]).Slice(Padding, width);
    }

    private DeviceArray Positive(Device device) =>
        device.Array([Batch, Length, Channels], Samples.Uniform(Seed, Batch * Length * Channels, 0.001, 0.8));

    private DeviceArray A(Device device)
    {
        // Δ of 3 is rounded by 1e-7, which turns a complex state of imaginary part 5 by 5e-7 at every token until it
        // has decayed: real parts of -1/2, those of S4D-Lin, forget soon enough for the gradients to keep their digits.
        float[] real = Samples.Uniform((100 * Seed) + 3, States * Channels, -4, IsComplex ? -0.5 : -0.05);
        if (IsALog)
        {
            real = Array.ConvertAll(real, value => MathF.Log(-value));
        }

        return IsComplex
            ? device.Array([2, States, Channels], [.. real, .. Samples.Normal((100 * Seed) + 12, real.Length, 3)])
            : device.Array([States, Channels], real);
    }

    private DeviceArray Coupling(Device device, int seed, bool constant) =>
        !constant ? Rows(device, seed, Groups * States * Parts)
            : Normal(device, seed, IsComplex ? [2, States, Channels] : [States, Channels]);
}
