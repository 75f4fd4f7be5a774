using Mamba.Devices;
using Mamba.Models.Training;
using Mamba.Optimization;
using Mamba.Tests.Optimization;

namespace Mamba.Tests.OptionRecords;

public sealed class TrainingOptionsTests
{
    private static readonly object?[] NoRates = [-1.0, double.NaN, double.PositiveInfinity, 1e60];
    private static readonly object?[] NoDecays = [-0.1, 1.0, 1.5, double.NaN];
    private static readonly object?[] NoCounts = [-1L, long.MinValue];

    internal static readonly OptionTable[] Tables =
    [
        OfAdam(new AdamOptions()),
        OfAdam(new AdamWOptions()),
        new(new SgdOptions { Momentum = 0.9, Nesterov = true }, new()
        {
            ["LearningRate"] = NoRates,
            ["WeightDecay"] = NoRates,
            ["Momentum"] = NoDecays,
        }),
        new(new SgdOptions(), new() { ["Nesterov"] = [true] }),
        new(new LionOptions(), new()
        {
            ["LearningRate"] = NoRates,
            ["WeightDecay"] = NoRates,
            ["Beta1"] = NoDecays,
            ["Beta2"] = NoDecays,
        }),
        new(new ParameterGroup(), Group, new() { ["LearningRateScale"] = [-1.0, double.NaN, double.PositiveInfinity] }),
        new(new LearningRateSchedule { Peak = 1 }, new()
        {
            ["Kind"] = [(LearningRateKind)9],
            ["Peak"] = NoRates,
            ["WarmupSteps"] = NoCounts,
            ["TotalSteps"] = NoCounts,
            ["DecaySteps"] = NoCounts,
            ["Floor"] = [-0.1, 1.1, double.NaN],
        }),
        new(
            new LearningRateSchedule
            {
                Peak = 1, Kind = LearningRateKind.WarmupStableDecay, WarmupSteps = 4, TotalSteps = 10, DecaySteps = 6,
            },
            new() { ["TotalSteps"] = [0L, 4L], ["DecaySteps"] = [0L, 7L] }),
        new(new TrainerOptions { Steps = 1, Folder = "run" }, new()
        {
            ["Steps"] = [0L, .. NoCounts],
            ["Accumulation"] = [0, -1],
            ["ClipNorm"] = [0.0, -1.0, double.NaN],
            ["AverageDecay"] = NoDecays,
            ["SkipLimit"] = [0, -1],
            ["EvaluateEvery"] = NoCounts,
            ["Patience"] = [0, -1],
            ["Folder"] = ["", " "],
            ["CheckpointEvery"] = NoCounts,
            ["KeepCheckpoints"] = [0, -1],
            ["TokensPerBatch"] = NoCounts,
            ["Configuration"] = [null],
        }),
    ];

    [Fact]
    public void Limits_are_allowed()
    {
        new AdamWOptions { LearningRate = 0, Beta1 = 0, Beta2 = 0, WeightDecay = 0 }.Validate();
        new LearningRateSchedule { Peak = 0, Floor = 1 }.Validate();
        new TrainerOptions { Steps = 1, ClipNorm = null, AverageDecay = 0, Patience = 1 }.Validate();
    }

    private static OptionTable OfAdam(AdamOptions options) => new(options, new()
    {
        ["LearningRate"] = NoRates,
        ["WeightDecay"] = NoRates,
        ["Beta1"] = NoDecays,
        ["Beta2"] = NoDecays,
        ["Epsilon"] = [0.0, -1e-8, double.NaN, double.PositiveInfinity, 1e-60],
    });

    private static void Group(object group)
    {
        using Device device = TestDevice.Open();
        using Weights weights = new(device);
        using Optimizer optimizer = Optimizers.Make("Sgd", weights, (_, _) => (ParameterGroup)group);
    }
}
