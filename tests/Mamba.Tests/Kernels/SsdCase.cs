using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Gpu;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Tests.Kernels;

/// <summary>Seeded inputs of an SSD, and all that comes of them on a device.</summary>
internal sealed record SsdCase
{
    public int Batch { get; init; } = 1;

    public int Length { get; init; } = 5;

    public int Heads { get; init; } = 2;

    public int HeadDim { get; init; } = 4;

    public int Groups { get; init; } = 1;

    public int States { get; init; } = 4;

    public int[]? Segments { get; init; }

    public bool HasD { get; init; } = true;

    public bool HasChannelD { get; init; }

    public bool HasZ { get; init; }

    public bool HasBias { get; init; } = true;

    public bool HasInitialState { get; init; } = true;

    public bool Softplus { get; init; } = true;

    /// <summary>Whether A is given as its logarithm.</summary>
    public bool IsALog { get; init; }

    /// <summary>Whether decays and weights are given by themselves, in place of Δ and A.</summary>
    public bool HasLogDecay { get; init; }

    public bool HasDiagonalScale { get; init; }

    public float DeltaMin { get; init; }

    public float DeltaMax { get; init; } = float.PositiveInfinity;

    public int ChunkLength { get; init; }

    /// <summary>The greatest -A: with 16, most states are forgotten within a token.</summary>
    public double Decay { get; init; } = 2;

    /// <summary>Floats around every row of the inputs; 0 for contiguous inputs.</summary>
    public int Margin { get; init; }

    public int Seed { get; init; } = 1;

    public int Sequences => Segments?.Length ?? Batch;

    public int StateSize => Heads * HeadDim * States;

    /// <summary>The elements of every input, by name.</summary>
    public Dictionary<string, float[]> Values()
    {
        int tokens = Batch * Length, channels = Heads * HeadDim;
        Dictionary<string, float[]> values = new()
        {
            ["X"] = Samples.Normal(Seed, tokens * channels),
            ["Delta"] = Samples.Uniform(Seed + 1, tokens * Heads, Softplus ? -4 : 0, Softplus ? 1 : 1.3),
            ["A"] = Samples.Uniform(Seed + 2, Heads, -Decay, -Decay / 16),
            ["B"] = Samples.Normal(Seed + 3, tokens * Groups * States),
            ["C"] = Samples.Normal(Seed + 4, tokens * Groups * States),
        };
        if (IsALog)
        {
            values["A"] = Array.ConvertAll(values["A"], value => MathF.Log(-value));
        }

        if (HasLogDecay)
        {
            values.Remove("Delta");
            values.Remove("A");
            values["LogDecay"] = Samples.Uniform(Seed + 1, tokens * Heads, -Decay, 0);
            values["InputScale"] = Samples.Uniform(Seed + 2, tokens * Heads, -0.5, 1.5);
        }

        AddWhere(HasDiagonalScale, "DiagonalScale", Samples.Uniform(Seed + 11, tokens * Heads, -0.5, 1.5));
        AddWhere(HasD, "D", Samples.Normal(Seed + 5, HasChannelD ? channels : Heads));
        AddWhere(HasZ, "Z", Samples.Normal(Seed + 6, tokens * channels));
        AddWhere(HasBias && !HasLogDecay, "DeltaBias", Samples.Uniform(Seed + 7, Heads, -0.5, 0));
        AddWhere(HasInitialState, "InitialState", Samples.Normal(Seed + 8, Sequences * StateSize));
        return values;

        void AddWhere(bool wanted, string name, float[] array)
        {
            if (wanted)
            {
                values.Add(name, array);
            }
        }
    }

    /// <summary>How rows of tokens are stored; devices that cannot get the rounded values as float32.</summary>
    public Precision Precision { get; init; }

    public Segments? SegmentsOrNull() =>
        Segments is null ? null : Mamba.Operations.Segments.FromLengths(Segments);

    /// <summary>The inputs on a device.</summary>
    public SsdInputs On(Device device, Dictionary<string, float[]> values)
    {
        SsdInputs inputs = new()
        {
            X = Rows(device, values["X"], Heads * HeadDim),
            Delta = OfHeads("Delta"),
            A = values.TryGetValue("A", out float[]? a) ? device.Array([Heads], a) : default,
            LogDecay = OfHeads("LogDecay"),
            InputScale = OfHeads("InputScale"),
            DiagonalScale = OfHeads("DiagonalScale"),
            B = Rows(device, values["B"], Groups * States),
            C = Rows(device, values["C"], Groups * States),
            D = values.TryGetValue("D", out float[]? d) ? device.Array([d.Length], d) : default,
            Z = values.TryGetValue("Z", out float[]? z) ? Rows(device, z, Heads * HeadDim) : default,
            DeltaBias = values.TryGetValue("DeltaBias", out float[]? bias) ? device.Array([Heads], bias) : default,
            InitialState = values.TryGetValue("InitialState", out float[]? initial)
                ? device.Array([Sequences, Heads, HeadDim, States], initial)
                : default,
            Softplus = Softplus && !HasLogDecay,
            DeltaMin = DeltaMin,
            DeltaMax = DeltaMax,
            Groups = Groups,
            ChunkLength = ChunkLength,
        };
        return IsALog ? inputs with { ALog = inputs.A } : inputs;

        DeviceArray OfHeads(string name) =>
            values.TryGetValue(name, out float[]? rows) ? Rows(device, rows, Heads) : default;
    }

    /// <summary>The outputs alone.</summary>
    public (DeviceArray Y, DeviceArray FinalState) Forward(Device device, Dictionary<string, float[]>? values = null) =>
        Functions.Ssd(On(device, values ?? Values()), SegmentsOrNull());

    /// <summary>The inputs that are there, by name.</summary>
    public static Dictionary<string, DeviceArray> Named(SsdInputs inputs) => new Dictionary<string, DeviceArray>
    {
        ["X"] = inputs.X,
        ["Delta"] = inputs.Delta,
        ["A"] = inputs.GivenA,
        ["LogDecay"] = inputs.LogDecay,
        ["InputScale"] = inputs.InputScale,
        ["DiagonalScale"] = inputs.DiagonalScale,
        ["B"] = inputs.B,
        ["C"] = inputs.C,
        ["D"] = inputs.D,
        ["Z"] = inputs.Z,
        ["DeltaBias"] = inputs.DeltaBias,
        ["InitialState"] = inputs.InitialState,
    }.Where(pair => pair.Value.Exists).ToDictionary();

    /// <summary>
    /// The outputs and, under the names of the inputs, their gradients, from seeded gradients of both outputs.
    /// </summary>
    public Dictionary<string, DeviceArray> Run(Device device, Dictionary<string, float[]>? values = null)
    {
        SsdInputs inputs = On(device, values ?? Values());
        Dictionary<string, DeviceArray> arrays = Named(inputs);
        using Tape tape = new(device);
        foreach (DeviceArray array in arrays.Values)
        {
            tape.Watch(array);
        }

        (DeviceArray y, DeviceArray finalState) = Functions.Ssd(inputs, SegmentsOrNull());
        tape.Backward((y, GradientOfY(device, y.Shape)), (finalState, GradientOfState(device, finalState.Shape)));
        Dictionary<string, DeviceArray> results = new() { ["y"] = y, ["final state"] = finalState };
        foreach ((string name, DeviceArray array) in arrays)
        {
            results.Add(name, tape.GradientOf(array));
        }

        return results;
    }

    public DeviceArray GradientOfY(Device device, Shape shape) =>
        device.Array(shape, Samples.Normal(Seed + 9, (int)shape.Count));

    public DeviceArray GradientOfState(Device device, Shape shape) =>
        device.Array(shape, Samples.Normal(Seed + 10, (int)shape.Count));

    private DeviceArray Rows(Device device, float[] values, int width)
    {
        bool isNarrow = Precision == Precision.BFloat16;
        DeviceArray whole = device.Allocate(
            [Batch, Length, width + (2 * Margin)], device is GpuDevice ? Precision : Precision.Float32);
        device.Fill(whole, 0f);
        DeviceArray rows = whole.Slice(Margin, width);
        rows.CopyFrom(isNarrow ? Array.ConvertAll(values, Samples.Narrowed) : values);
        return rows;
    }
}
