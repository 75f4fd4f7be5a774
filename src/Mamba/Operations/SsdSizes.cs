using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>The sizes of an SSD, taken from its inputs.</summary>
internal readonly struct SsdSizes
{
    /// <summary>Reads the sizes and checks every input against them.</summary>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public SsdSizes(in SsdInputs inputs, Segments? segments, StateSlots? slots = null)
    {
        Setting.RequireNotNegative(inputs.ChunkLength, nameof(inputs.ChunkLength));
        Setting.Require(
            inputs.DeltaMin <= inputs.DeltaMax,
            nameof(inputs.DeltaMin),
            "at most DeltaMax, and neither NaN",
            inputs.DeltaMin);
        DeviceArray.Require("x", inputs.X);
        RequireOneForm(inputs);
        DeviceArray.Require("B", inputs.B);
        Shape x = inputs.X.Shape;
        Sequences = new(x, segments, slots, inputs.InitialState);
        Heads = (inputs.LogDecay.Exists ? inputs.LogDecay : inputs.GivenA).Shape.Width;
        Groups = inputs.Groups;
        if (Heads == 0 || x.Width % Heads != 0)
        {
            string given = inputs.LogDecay.Exists
                ? $"LogDecay of [batch, length, heads], with x of [batch, length, heads·headDim]; found {
                    inputs.LogDecay.Shape}"
                : $"A of [heads], with x of [batch, length, heads·headDim]; found {inputs.GivenA.Shape}";
            throw new ArgumentException($"Expected {given} and {x}.");
        }

        if (Groups <= 0 || Heads % Groups != 0)
        {
            throw new ArgumentException($"Expected a number of groups that divides {Heads} heads; found {Groups}.");
        }

        Shape b = inputs.B.Shape;
        if (b.Rank != 3 || b.Width % Groups != 0)
        {
            throw new ArgumentException($"Expected B of [{x[0]}, {x[1]}, {Groups}·states]; found {b}.");
        }

        HeadDim = x.Width / Heads;
        States = b.Width / Groups;
        Shape ofHeads = x.WithWidth(Heads);
        if (inputs.LogDecay.Exists)
        {
            DeviceArray.Require("LogDecay", inputs.LogDecay, ofHeads);
            DeviceArray.Require("InputScale", inputs.InputScale, ofHeads);
        }
        else
        {
            DeviceArray.Require("A", inputs.GivenA, [Heads]);
            DeviceArray.Require("delta", inputs.Delta, ofHeads);
        }

        DeviceArray.RequireOptional("DiagonalScale", inputs.DiagonalScale, ofHeads);
        DeviceArray.Require("B", inputs.B, x.WithWidth(b.Width));
        DeviceArray.Require("C", inputs.C, b);
        DeviceArray.RequireOptional("z", inputs.Z, x);
        DeviceArray.RequireOptional("the bias of delta", inputs.DeltaBias, [Heads]);
        DeviceArray.RequireOptional("the initial state", inputs.InitialState, StateShape);
        HasChannelD = inputs.D.Exists && inputs.D.Shape.Width != Heads;
        DeviceArray.RequireOptional("D", inputs.D, [HasChannelD ? x.Width : Heads]);
    }

    public Sequences Sequences { get; }

    public int Heads { get; }

    public int HeadDim { get; }

    public int Groups { get; }

    public int States { get; }

    /// <summary>Whether D has one number per channel; otherwise one per head.</summary>
    public bool HasChannelD { get; }

    /// <summary>Shape of the states of all sequences.</summary>
    public Shape StateShape => [Sequences.StateCount, Heads, HeadDim, States];

    /// <summary>The group whose B and C a head uses.</summary>
    public int GroupOf(int head) => head / (Heads / Groups);

    /// <summary>Throws unless the decays are given in one form: Δ and A, or LogDecay and InputScale.</summary>
    private static void RequireOneForm(in SsdInputs inputs)
    {
        if (!inputs.LogDecay.Exists && !inputs.InputScale.Exists)
        {
            DeviceArray.Require("delta", inputs.Delta);
            DeviceArray.Require("A", inputs.GivenA);
            return;
        }

        DeviceArray.Require("LogDecay", inputs.LogDecay);
        DeviceArray.Require("InputScale", inputs.InputScale);
        if (inputs.Delta.Exists || inputs.GivenA.Exists || inputs.DeltaBias.Exists || inputs.Softplus
            || inputs.DeltaMin != 0f || inputs.DeltaMax != float.PositiveInfinity)
        {
            throw new ArgumentException(
                "Expected either Delta and A, or LogDecay and InputScale; found LogDecay and InputScale with one of "
                + "Delta, A, ALog, DeltaBias, Softplus, DeltaMin and DeltaMax.");
        }
    }
}
