using Mamba.Layers;
using Mamba.Orders;

namespace Mamba.Tests.OptionRecords;

public sealed class MixerOptionsTests
{
    private static readonly object?[] NoSizes = [0, -1, int.MinValue];
    private static readonly object?[] NoFactors = [float.NaN, float.PositiveInfinity, float.NegativeInfinity];
    private static readonly object?[] NoActivations = [(Activation)(-1), (Activation)5];
    private static readonly object?[] NoEpsilons = [0f, -1e-5f, float.NaN, float.PositiveInfinity];
    private static readonly object?[] NoLeastSteps = [0.0, -1e-3, double.NaN, double.PositiveInfinity, 1e-60, 1e60];
    private static readonly object?[] NoLargestSteps = [.. NoLeastSteps, 1e-4];
    private static readonly object?[] NoFloors = [-1e-4, double.NaN, double.PositiveInfinity, 0.2];

    internal static readonly OptionTable[] Tables =
    [
        new(new MambaMixerOptions { ModelDim = 8 }, new()
        {
            ["ModelDim"] = [.. NoSizes, int.MaxValue, 1 << 30, 1 << 29],
            ["InnerDim"] = [.. NoSizes, 1 << 30],
            ["StateDim"] = [.. NoSizes, 1 << 30],
            ["ConvWidth"] = NoSizes,
            ["TimeStepRank"] = NoSizes,
            ["TimeStepMin"] = NoLeastSteps,
            ["TimeStepMax"] = NoLargestSteps,
            ["TimeStepFloor"] = NoFloors,
            ["TimeStepScale"] = [-1.0, double.NaN, double.PositiveInfinity, 1e60],
            ["ParameterNormEpsilon"] = NoEpsilons,
            ["ParameterNormWeights"] = [true],
        }),
        new(new Mamba2MixerOptions { ModelDim = 8, HeadDim = 4 }, new()
        {
            ["ModelDim"] = [.. NoSizes, int.MaxValue, 1 << 30, 1 << 29],
            ["InnerDim"] = [.. NoSizes, 1 << 30],
            ["SsmDim"] = [.. NoSizes, 20],
            ["StateDim"] = [.. NoSizes, 1 << 30],
            ["HeadDim"] = [.. NoSizes, 3, 32],
            ["Groups"] = [.. NoSizes, 3, 8],
            ["ConvWidth"] = NoSizes,
            ["NormEpsilon"] = NoEpsilons,
            ["TimeStepMin"] = NoLeastSteps,
            ["TimeStepMax"] = NoLargestSteps,
            ["TimeStepFloor"] = NoFloors,
            ["DeltaMin"] = [-0.1f, float.NaN, float.PositiveInfinity],
            ["DeltaMax"] = [0f, -1f, float.NaN],
            ["AInitRange"] =
            [
                (16.0, 1.0), (0.0, 1.0), (-1.0, 1.0), (1.0, -5.0), (double.NaN, 1.0), (1.0, double.NaN),
                (1.0, double.PositiveInfinity),
            ],
            ["ChunkLength"] = [-1],
            ["ProjectionScales"] =
            [
                new Mamba2Scales(1, 1, float.NaN, 1, 1), new Mamba2Scales(1, 1, 1, 1, float.NegativeInfinity),
            ],
        }),
        new(new Mamba2MixerOptions { ModelDim = 8, HeadDim = 4, DeltaMin = 0.5f }, new() { ["DeltaMax"] = [0.4f] }),
        new(new DirectionalMixerOptions(new MambaMixerOptions { ModelDim = 8 }, ScanOrder.Backward), new()
        {
            ["ModelDim"] = [.. NoSizes, 7],
        }),
        new(new S4dMixerOptions { ModelDim = 8 }, new()
        {
            ["ModelDim"] = [.. NoSizes, int.MaxValue, 1 << 30, 1 << 29],
            ["InnerDim"] = [.. NoSizes, 1 << 30],
            ["StateDim"] = [.. NoSizes, 5, 1 << 30],
            ["ConvWidth"] = NoSizes,
            ["TimeStepMin"] = NoLeastSteps,
            ["TimeStepMax"] = NoLargestSteps,
            ["TimeStepFloor"] = NoFloors,
        }),
        new(new AttentionMixerOptions { ModelDim = 16, Heads = 8 }, new()
        {
            ["ModelDim"] = NoSizes,
            ["Heads"] = [.. NoSizes, 3],
            ["KeyValueHeads"] = [.. NoSizes, -2, 3, 16],
            ["HeadDim"] = [.. NoSizes, 1 << 28],
            ["RotaryDim"] = [-2, 1, 4],
            ["RotaryBase"] = [0.0, -1.0, 0.5, double.NaN, double.PositiveInfinity],
            ["ConvWidth"] = [-1],
            ["Window"] = [-1],
            ["Scale"] = [-1f, float.NaN, float.PositiveInfinity],
            ["InputDim"] = NoSizes,
            ["HeadNormEpsilon"] = NoEpsilons,
        }),
        new(new PlamoMixerOptions { ModelDim = 8, Heads = 2, HeadDim = 4 }, new()
        {
            ["ModelDim"] = NoSizes,
            ["Heads"] = NoSizes,
            ["HeadDim"] = [.. NoSizes, 1 << 29],
            ["StateDim"] = [.. NoSizes, 1 << 30],
            ["ConvWidth"] = NoSizes,
            ["TimeStepRank"] = NoSizes,
            ["NormEpsilon"] = NoEpsilons,
        }),
        new(
            new SharedInputMixerOptions
            {
                ModelDim = 8, Mixer = new MambaMixerOptions { ModelDim = 8 },
                Attention = new() { ModelDim = 8, InputDim = 16, Heads = 2 },
                Mlp = new() { ModelDim = 8, HiddenDim = 4 },
            },
            new()
            {
                ["ModelDim"] = [.. NoSizes, 1 << 30],
                ["Mixer"] = [null, new MambaMixerOptions { ModelDim = 9 }],
                ["Attention"] = [null, new AttentionMixerOptions { ModelDim = 8, Heads = 2 }],
                ["Mlp"] = [null, new GatedMlpOptions { ModelDim = 9, HiddenDim = 4 }],
                ["Block"] = [-1],
                ["NormEpsilon"] = NoEpsilons,
                ["AdapterRank"] = [-1, 1 << 30],
                ["AttentionAdapters"] = [true],
            }),
        new(
            new ParallelMixerOptions(
                new ParallelBranch(new MambaMixerOptions { ModelDim = 8 }),
                new ParallelBranch(new S4dMixerOptions { ModelDim = 8 })),
            new() { ["ModelDim"] = [.. NoSizes, 7] }),
        new(new GatedMlpOptions { ModelDim = 8, HiddenDim = 4 }, new()
        {
            ["ModelDim"] = NoSizes,
            ["HiddenDim"] = [.. NoSizes, 1 << 30],
            ["Activation"] = NoActivations,
            ["GateScale"] = NoFactors,
            ["OutScale"] = NoFactors,
        }),
        new(new MlpOptions { ModelDim = 8, HiddenDim = 4 }, new()
        {
            ["ModelDim"] = NoSizes,
            ["HiddenDim"] = NoSizes,
            ["Activation"] = NoActivations,
        }),
        new(
            new MixtureOfExpertsOptions
            {
                ModelDim = 8, Experts = 6, ExpertsPerToken = 3, Routing = ExpertRouting.Sigmoid,
                Expert = new MlpOptions { ModelDim = 8, HiddenDim = 4 },
            },
            new()
            {
                ["ModelDim"] = NoSizes,
                ["Experts"] = NoSizes,
                ["ExpertsPerToken"] = [.. NoSizes, 7],
                ["Expert"] = [null, new MlpOptions { ModelDim = 9, HiddenDim = 4 }],
                ["Shared"] = [new MlpOptions { ModelDim = 9, HiddenDim = 4 }],
                ["Routing"] = [(ExpertRouting)3],
                ["Groups"] = [.. NoSizes, 4],
                ["GroupsPerToken"] = [.. NoSizes, 2],
                ["WeightScale"] = NoFactors,
                ["LatentDim"] = [-1],
            }),
        new(
            new MixtureOfExpertsOptions
            {
                ModelDim = 8, Experts = 6, ExpertsPerToken = 3, Groups = 1,
                Expert = new MlpOptions { ModelDim = 8, HiddenDim = 4 },
            },
            new() { ["Groups"] = [2], ["NormalizeWeights"] = [true] }),
        new(new LowRankOptions(), new()
        {
            ["Rank"] = NoSizes,
            ["Alpha"] = [0.0, -1.0, double.NaN, double.PositiveInfinity, 1e60, 1e-60],
            ["Targets"] = [null, Array.Empty<string>(), new[] { "head", "" }, new string?[] { null }],
        }),
    ];

    [Fact]
    public void Limits_are_allowed()
    {
        MixerOptions[] all =
        [
            new MambaMixerOptions { ModelDim = 1, TimeStepScale = 0, TimeStepFloor = 0, TimeStepMin = 0.1 },
            new Mamba2MixerOptions { ModelDim = 8, HeadDim = 4, DeltaMin = 0.5f, DeltaMax = 0.5f, AInitRange = (1, 1) },
            new S4dMixerOptions { ModelDim = 8, StateDim = 5, IsComplex = false, TimeStepFloor = 0.1 },
            new AttentionMixerOptions { ModelDim = 10, Heads = 3, HeadDim = 4, RotaryDim = 4, RotaryBase = 1 },
            new AttentionMixerOptions { ModelDim = 8, Heads = 4, KeyValueHeads = 1 },
        ];

        all.Should().AllSatisfy(options => options.Invoking(o => o.Validate()).Should().NotThrow());
    }

    [Fact]
    public void A_message_says_what_was_expected_and_what_was_found()
    {
        Action heads = new AttentionMixerOptions { ModelDim = 16, Heads = 8, KeyValueHeads = -2 }.Validate;
        Action truncated = new AttentionMixerOptions { ModelDim = 10, Heads = 3 }.Validate;
        Action range = new Mamba2MixerOptions { ModelDim = 8, HeadDim = 4, AInitRange = (16, 1) }.Validate;

        heads.Should().Throw<ArgumentException>()
            .WithMessage("KeyValueHeads must be positive and divide Heads; found -2 with 8 heads.*");
        truncated.Should().Throw<ArgumentException>()
            .WithMessage("Heads must be a divisor of ModelDim, unless HeadDim is set; found 3 with a ModelDim of 10.*");
        range.Should().Throw<ArgumentException>()
            .WithMessage("AInitRange must be a range from a smaller to a larger number; found (16, 1).*");
    }

    [Fact]
    public void A_value_that_is_set_to_the_default_equals_one_that_is_not_set()
    {
        (MixerOptions Unset, MixerOptions Set)[] pairs =
        [
            (new MambaMixerOptions { ModelDim = 40 },
                new MambaMixerOptions { ModelDim = 40, InnerDim = 80, TimeStepRank = 3 }),
            (new Mamba2MixerOptions { ModelDim = 64 },
                new Mamba2MixerOptions { ModelDim = 64, InnerDim = 128, SsmDim = 128 }),
            (new S4dMixerOptions { ModelDim = 8 }, new S4dMixerOptions { ModelDim = 8, InnerDim = 16 }),
            (new AttentionMixerOptions { ModelDim = 8, Heads = 2 },
                new AttentionMixerOptions { ModelDim = 8, Heads = 2, KeyValueHeads = 2, HeadDim = 4 }),
        ];

        foreach ((MixerOptions unset, MixerOptions set) in pairs)
        {
            set.Should().Be(unset);
            set.GetHashCode().Should().Be(unset.GetHashCode());
            (set with { ModelDim = set.ModelDim + 1 }).Should().NotBe(set);
        }

        new MambaMixerOptions { ModelDim = 8 }.Should().NotBe(new S4dMixerOptions { ModelDim = 8 });
    }
}
