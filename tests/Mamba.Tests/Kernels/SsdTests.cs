using Mamba.Devices;
using Mamba.Memory;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Kernels;

public sealed class SsdTests
{
    // The reference implementation's own float32 run is 2.4e-7 off in its outputs and 7e-7 in its gradients; three
    // times that and more, since the order of sums differs.
    private const double Tolerance = 2e-6;
    private const double GradientTolerance = 5e-6;

    internal static readonly Dictionary<string, SsdCase> All = new()
    {
        ["one of everything"] = new() { Length = 1, Heads = 1, HeadDim = 1, States = 1 },
        ["token by token"] = new() { Batch = 2, Length = 5, Heads = 3, HeadDim = 5, States = 37, HasZ = true },
        ["odd sizes over chunks"] = new() { Batch = 2, Length = 150, Heads = 3, HeadDim = 5, States = 7 },
        ["widths of all registers"] = new() { Length = 70, Heads = 2, HeadDim = 31, States = 45, HasZ = true },
        ["groups"] = new() { Batch = 2, Length = 77, Heads = 6, Groups = 3, HeadDim = 20, States = 16 },
        ["a group for every head"] = new()
        {
            Length = 40, Heads = 3, Groups = 3, HeadDim = 8, States = 9, ChunkLength = 7,
        },
        ["D for every channel, gate"] = new()
        {
            Length = 90, Groups = 2, HeadDim = 33, States = 18, HasChannelD = true, HasZ = true,
        },
        ["nothing optional"] = new()
        {
            Length = 100, HasD = false, HasBias = false, HasInitialState = false, Softplus = false,
        },
        ["limits of Δ"] = new() { Length = 80, DeltaMin = 0.1f, DeltaMax = 0.6f },
        ["limits without softplus"] = new() { Length = 80, DeltaMin = 0.1f, DeltaMax = 0.6f, Softplus = false },
        ["strong decay"] = new() { Length = 140, Heads = 4, HeadDim = 16, States = 16, Decay = 60 },
        ["chunks of one"] = new() { Length = 6, ChunkLength = 1, HasZ = true },
        ["one chunk of a token"] = new() { Length = 1, ChunkLength = 64 },
        ["chunks of seventeen"] = new() { Length = 52, ChunkLength = 17, HeadDim = 17, States = 33 },
        ["a chunk longer than the sequence"] = new() { Length = 21, ChunkLength = 1000 },
        ["the released shape"] = new() { Length = 130, Heads = 2, HeadDim = 64, States = 128, HasInitialState = false },
        ["packed"] = new()
        {
            Batch = 2, Length = 100, Segments = [3, 0, 80, 17, 16, 0, 1, 83, 0], Heads = 4, Groups = 2, HeadDim = 9,
        },
        ["packed in chunks"] = new() { Length = 40, Segments = [0, 13, 1, 26], ChunkLength = 8, HasZ = true },
        ["slices"] = new() { Batch = 2, Length = 70, HeadDim = 19, States = 21, HasZ = true, Margin = 3 },
        ["A as its logarithm, token by token"] = new() { Batch = 2, Length = 5, Heads = 3, HeadDim = 5, IsALog = true },
        ["A as its logarithm, in chunks"] = new()
        {
            Batch = 2, Length = 90, Heads = 4, Groups = 2, HeadDim = 19, States = 21, HasZ = true, IsALog = true,
        },
        ["decays by themselves, token by token"] = new()
        {
            Batch = 2, Length = 5, Heads = 4, Groups = 2, HeadDim = 5, States = 37, HasLogDecay = true,
            HasDiagonalScale = true,
        },
        ["decays by themselves, in chunks"] = new()
        {
            Batch = 2, Length = 150, Heads = 4, Groups = 2, HeadDim = 19, States = 21, HasZ = true, HasLogDecay = true,
            Margin = 3,
        },
        ["a diagonal with decays"] = new()
        {
            Length = 100, Segments = [3, 0, 80, 17], Heads = 6, Groups = 3, HeadDim = 9, States = 7, HasZ = true,
            HasLogDecay = true, HasDiagonalScale = true, HasChannelD = true,
        },
        ["a diagonal with Δ"] = new()
        {
            Length = 70, Heads = 5, HeadDim = 17, States = 12, HasD = false, HasDiagonalScale = true, ChunkLength = 33,
        },
        ["no tokens"] = new() { Length = 0 },
        ["no tokens in chunks"] = new() { Length = 0, ChunkLength = 4 },
        ["no sequences"] = new() { Batch = 0 },
    };

    public static TheoryData<string> Names => [.. All.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Matches_the_reference_with_all_gradients(string name)
    {
        using Device device = TestDevice.Open(2);
        using ReferenceDevice reference = TestDevice.Reference();

        Dictionary<string, DeviceArray> actual = All[name].Run(device), expected = All[name].Run(reference);

        actual.Keys.Should().Equal(expected.Keys);
        foreach ((string output, DeviceArray array) in actual)
        {
            bool isGradient = output is not ("y" or "final state");
            array.ToArray().ShouldBeClose(
                ReferenceDevice.Exact(expected[output]),
                isGradient ? GradientTolerance : Tolerance,
                $"{output} of {name}");
        }
    }

    [Fact]
    public void Matches_the_reference_at_every_length_around_the_change_of_routes()
    {
        for (int length = 2; length < 70; length++)
        {
            // Several heads: one head's sums of gradients may cancel, and then nothing tells their scale.
            SsdCase c = new() { Length = length, Heads = 5, HeadDim = 3, States = 5, Seed = length };
            using Device device = TestDevice.Open();
            using ReferenceDevice reference = TestDevice.Reference();

            Dictionary<string, DeviceArray> actual = c.Run(device), expected = c.Run(reference);

            foreach ((string output, DeviceArray array) in actual)
            {
                array.ToArray().ShouldBeClose(
                    ReferenceDevice.Exact(expected[output]), GradientTolerance, $"{output} of length {length}");
            }
        }
    }
}
