using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>The sizes of a selective scan, taken from its inputs.</summary>
internal readonly struct ScanSizes
{
    /// <summary>Reads the sizes and checks every input against them.</summary>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    public ScanSizes(in ScanInputs inputs, Segments? segments, StateSlots? slots = null, int directions = 1)
    {
        Directions = directions;
        DeviceArray.Require("x", inputs.X);
        DeviceArray.Require("A", inputs.GivenA);
        Sequences = new(inputs.X.Shape, segments, slots, inputs.InitialState);
        (int batch, int length) = (inputs.X.Shape[0], inputs.X.Shape[1]);
        Channels = checked(directions * inputs.X.Shape.Width);
        Shape a = inputs.GivenA.Shape;
        IsComplex = a.Rank == 3;
        if (a.Rank is < 2 or > 3 || a.Width != Channels || (IsComplex && a[0] != 2))
        {
            throw new ArgumentException(
                $"Expected A of [states, {Channels}], or of [2, states, {Channels}] where complex; found {a}.");
        }

        States = a[^2];
        Groups = Math.Max(
            GroupsOf("B", inputs.B, inputs.HasConstantB, batch, length, a),
            GroupsOf("C", inputs.C, inputs.HasConstantC, batch, length, a));
        RequireGroups("B", inputs.B, inputs.HasConstantB);
        RequireGroups("C", inputs.C, inputs.HasConstantC);
        DeviceArray.Require("Δ", inputs.Delta, inputs.X.Shape.WithWidth(Channels));
        DeviceArray.RequireOptional("z", inputs.Z, inputs.X.Shape);
        DeviceArray.RequireOptional("D", inputs.D, [Channels]);
        DeviceArray.RequireOptional("the bias of Δ", inputs.DeltaBias, [Channels]);
        DeviceArray.RequireOptional("the initial state", inputs.InitialState, StateShape);
    }

    public Sequences Sequences { get; }

    /// <summary>
    /// Number of orders in which the tokens are scanned. Every order has its own channels and groups, concatenated; x,
    /// z and y have the channels of one order.
    /// </summary>
    public int Directions { get; }

    /// <summary>Channels of all directions.</summary>
    public int Channels { get; }

    /// <summary>Channels of x, z and y.</summary>
    public int ChannelsOfX => Channels / Directions;

    public int States { get; }

    /// <summary>Groups of all directions.</summary>
    public int Groups { get; }

    public bool IsComplex { get; }

    /// <summary>Numbers per state: 2 if complex, otherwise 1.</summary>
    public int Parts => IsComplex ? 2 : 1;

    /// <summary>Number of rows of channels in a sequence's state.</summary>
    public int StateRows => Parts * States;

    /// <summary>Shape of the states of all sequences.</summary>
    public Shape StateShape =>
        IsComplex ? [Sequences.StateCount, 2, States, Channels] : [Sequences.StateCount, States, Channels];

    /// <summary>Shape of the states at the start of every chunk of every sequence.</summary>
    public Shape CheckpointShape(int chunkLength) =>
        [(Sequences.Tokens / chunkLength) + Sequences.Count, StateRows, Channels];

    /// <summary>
    /// Index of a sequence's first chunk among the checkpoints. The space before it holds all earlier sequences, each
    /// rounded up to whole chunks.
    /// </summary>
    public nint FirstCheckpoint(int sequence, int chunkLength) =>
        (Sequences.Start(sequence) / chunkLength) + sequence;

    private int GroupsOf(string name, DeviceArray array, bool constant, int batch, int length, Shape a)
    {
        if (constant)
        {
            DeviceArray.Require(name == "B" ? "constant B" : "constant C", array, a);
            return Directions;
        }

        DeviceArray.Require(name, array);
        Shape shape = array.Shape;

        int group = StateRows;
        if (shape.Rank != 3 || shape[0] != batch || shape[1] != length
            || (group == 0 ? shape.Width != 0 : shape.Width == 0 || shape.Width % group != 0))
        {
            throw new ArgumentException(
                $"Expected {name} of [{batch}, {length}, groups·{group}] for {States} states; found {shape}.");
        }

        return group == 0 ? Directions : shape.Width / group;
    }

    private void RequireGroups(string name, DeviceArray array, bool constant)
    {
        if (!constant && array.Shape.Width != Groups * StateRows)
        {
            throw new ArgumentException(
                $"Expected B and C of equally many groups; {name} has shape {array.Shape}, its last axis must be " +
                $"{Groups * StateRows}.");
        }

        if (Groups % Directions != 0)
        {
            throw new ArgumentException(
                $"Expected {name} of equally many groups for each of {Directions} orders; found {Groups} groups.");
        }

        if (Channels % Groups != 0)
        {
            throw new ArgumentException(
                $"Expected a multiple of {Groups} channels, one share for each group; found {Channels}.");
        }
    }
}
