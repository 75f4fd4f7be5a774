using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;
using Mamba.Tests.Kernels;

namespace Mamba.Tests.Orders;

/// <summary>A scan of random numbers in several orders, with x and z of one.</summary>
internal sealed record MultiScanCase(int Batch, int Length, int Channels, int States, int Directions)
{
    private const int Padding = 3;

    public int Groups { get; init; } = 1;

    public bool IsComplex { get; init; }

    public bool IsALog { get; init; }

    public bool HasConstantB { get; init; }

    public bool HasConstantC { get; init; }

    public bool HasOptions { get; init; } = true;

    public bool IsSliced { get; init; }

    public int[]? SegmentLengths { get; init; }

    private ScanCase Whole => new(Batch, Length, Channels * Directions, States)
    {
        Groups = Groups * Directions, IsComplex = IsComplex, HasConstantB = HasConstantB, HasConstantC = HasConstantC,
        HasOptions = HasOptions, IsSliced = IsSliced, IsALog = IsALog, SegmentLengths = SegmentLengths,
    };

    public ScanInputs Inputs(Device device) => Whole.Inputs(device) with
    {
        X = Rows(device, 21), Z = HasOptions ? Rows(device, 22) : default,
    };

    /// <summary>Outputs, and the gradients of fixed random sums of both outputs.</summary>
    public Dictionary<string, double[]> Run(Device device, ScanOrder[] orders)
    {
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        ScanInputs inputs = Inputs(device);
        foreach ((_, DeviceArray input) in ScanCase.Named(inputs))
        {
            tape.Watch(input);
        }

        (DeviceArray y, DeviceArray state) = Functions.MultiScan(inputs, orders, Whole.Segments);
        tape.Backward((y, Normal(device, 10, y.Shape)), (state, Normal(device, 11, state.Shape)));
        Dictionary<string, double[]> results =
            new() { ["y"] = ScanCase.Values(y), ["final state"] = ScanCase.Values(state) };
        foreach ((string name, DeviceArray input) in ScanCase.Named(inputs))
        {
            results.Add($"gradient of {name}", ScanCase.Values(tape.GradientOf(input)));
        }

        return results;
    }

    public DeviceArray Normal(Device device, int seed, Shape shape) => Whole.Normal(device, seed, shape);

    private DeviceArray Rows(Device device, int seed) => IsSliced
        ? Normal(device, seed, [Batch, Length, Channels + (2 * Padding)]).Slice(Padding, Channels)
        : Normal(device, seed, [Batch, Length, Channels]);
}
