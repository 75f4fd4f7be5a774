using Mamba.Autograd;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Tests.Kernels;

namespace Mamba.Tests.Reference;

public sealed class ReferenceSsdTests
{
    // A fourth-order central difference with steps of 1e-3 is accurate to 1e-11 here, relative to the largest gradient.
    private const double Tolerance = 1e-9;

    public static TheoryData<string> Names =>
        ["X", "Delta", "A", "B", "C", "D", "Z", "DeltaBias", "InitialState"];

    [Theory]
    [MemberData(nameof(Names))]
    public void Gradients_match_central_differences(string name) =>
        ShouldMatch(new() { Length = 6, Heads = 4, Groups = 2, HeadDim = 2, States = 3, HasZ = true }, name);

    [Theory]
    [InlineData("X")]
    [InlineData("D")]
    public void Gradients_of_a_D_for_every_channel_match_central_differences(string name) =>
        ShouldMatch(new() { Length = 4, HasChannelD = true }, name);

    [Theory]
    [InlineData("Delta")]
    [InlineData("InitialState")]
    public void Gradients_of_packed_sequences_match_central_differences(string name) =>
        ShouldMatch(new() { Length = 7, Segments = [2, 0, 4, 1] }, name);

    // No Δ is close to a limit, so no step crosses one.
    [Theory]
    [InlineData("Delta")]
    [InlineData("DeltaBias")]
    public void Gradients_within_limits_match_central_differences(string name) =>
        ShouldMatch(new() { Length = 12, Seed = 4, DeltaMin = 0.1f, DeltaMax = 0.6f }, name);

    [Theory]
    [InlineData("X")]
    [InlineData("LogDecay")]
    [InlineData("InputScale")]
    [InlineData("DiagonalScale")]
    [InlineData("B")]
    [InlineData("C")]
    [InlineData("InitialState")]
    public void Gradients_of_decays_by_themselves_match_central_differences(string name) => ShouldMatch(
        new()
        {
            Length = 6, Heads = 4, Groups = 2, HeadDim = 2, States = 3, HasZ = true, HasLogDecay = true,
            HasDiagonalScale = true,
        },
        name);

    [Theory]
    [InlineData("Delta")]
    [InlineData("A")]
    [InlineData("DiagonalScale")]
    public void Gradients_of_a_diagonal_with_delta_match_central_differences(string name) =>
        ShouldMatch(new() { Length = 6, HasDiagonalScale = true }, name);

    [Theory]
    [InlineData("Delta")]
    [InlineData("A")]
    public void Gradients_of_a_logarithm_of_A_match_central_differences(string name) =>
        ShouldMatch(new() { Length = 6, IsALog = true }, name);

    private static void ShouldMatch(SsdCase c, string name)
    {
        using ReferenceDevice reference = TestDevice.Reference();
        double[] gradient = ReferenceDevice.Exact(c.Run(reference)[name]);
        double[] differences = new double[gradient.Length];
        for (int i = 0; i < differences.Length; i++)
        {
            const double step = 1e-3;
            differences[i] = ((8 * (Loss(i, step) - Loss(i, -step))) - (Loss(i, 2 * step) - Loss(i, -2 * step)))
                / (12 * step);
        }

        gradient.ShouldBeClose(differences, Tolerance, name);

        double Loss(int index, double change)
        {
            using DeviceScope scope = reference.Scope();
            SsdInputs inputs = c.On(reference, c.Values());
            DeviceArray array = SsdCase.Named(inputs)[name];
            ReferenceDevice.Set(array, index, ReferenceDevice.Exact(array)[index] + change);
            (DeviceArray y, DeviceArray finalState) = Functions.Ssd(inputs, c.SegmentsOrNull());
            return Dot(y, c.GradientOfY(reference, y.Shape))
                + Dot(finalState, c.GradientOfState(reference, finalState.Shape));
        }
    }

    private static double Dot(DeviceArray a, DeviceArray b) =>
        ReferenceDevice.Exact(a).Zip(ReferenceDevice.Exact(b), (x, y) => x * y).Sum();
}
