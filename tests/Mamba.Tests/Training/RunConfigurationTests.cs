using System.Globalization;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Training;
using Mamba.Optimization;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Training;

public sealed class RunConfigurationTests : IDisposable
{
    private readonly TemporaryFolder _folder = new(inMemory: true);

    private TrainerOptions Options => new()
    {
        Steps = 2,
        Folder = _folder["run"],
        AverageDecay = 0.5,
        Schedule = new() { Peak = 1e-2, TotalSteps = 2, Floor = 0.25 },
        Configuration = "text: tiny",
    };

    [Fact]
    public void A_run_that_was_begun_in_one_culture_goes_on_in_another()
    {
        CultureInfo comma = (CultureInfo)CultureInfo.InvariantCulture.Clone(), before = CultureInfo.CurrentCulture;
        comma.NumberFormat.NumberDecimalSeparator = ",";
        comma.NumberFormat.NegativeSign = "−";
        try
        {
            CultureInfo.CurrentCulture = comma;
            using TinyRun first = new(Options);
            first.Train();
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }

        using TinyRun second = new(Options);

        second.Resume().Should().BeTrue();
    }

    [Fact]
    public void The_lines_are_names_and_values_that_anybody_can_read()
    {
        using TinyRun run = new(Options, carriesState: true);
        string checkpoint = run.Train().Checkpoint!;

        string[] lines = [.. CheckpointFiles.Record(checkpoint)["configuration"]!.AsArray()
            .Select(line => (string)line!)];

        lines.Should().OnlyContain(line => line.Contains(": ", StringComparison.Ordinal)).And.ContainInOrder(
            "text: tiny",
            "optimiser: AdamW",
            "learning rate: 0.01",
            "weight decay: 0",
            "beta 1: 0.9",
            "beta 2: 0.999",
            "epsilon: 1E-08",
            "schedule: Constant",
            "peak learning rate: 0.01",
            "warm-up steps: 0",
            "batches of a step: 1",
            "largest norm of gradients: 1",
            "decay of the average: 0.5",
            "weights embedding.weight: [12, 8], trained",
            "frozen weights: none",
            "carried states: 2",
            "carried state 0: [1, 3, 24] [1, 4, 4, 4]");
    }

    [Fact]
    public void A_constant_rate_lets_a_run_go_on_for_longer()
    {
        using (TinyRun first = new(Options))
        {
            first.Train();
        }

        using TinyRun second = new(Options with { Steps = 4, Schedule = Options.Schedule! with { TotalSteps = 4 } });

        second.Resume().Should().BeTrue();
    }

    [Theory]
    [InlineData("peak learning rate: 0.01 then, 0.001 now", 0)]
    [InlineData("schedule: Constant then, Cosine now", 1)]
    [InlineData("batches of a step: 1 then, 2 now", 2)]
    [InlineData("largest norm of gradients: 1 then, none now", 3)]
    [InlineData("decay of the average: 0.5 then, 0.75 now", 4)]
    [InlineData("text: tiny then, large now", 5)]
    [InlineData("\"size: 3\" now", 6)]
    public void A_setting_that_differs_is_named_in_words(string message, int change)
    {
        using (TinyRun first = new(Options))
        {
            first.Train();
        }

        LearningRateSchedule schedule = Options.Schedule!;
        using TinyRun second = new(change switch
        {
            0 => Options with { Schedule = schedule with { Peak = 1e-3 } },
            1 => Options with { Schedule = schedule with { Kind = LearningRateKind.Cosine } },
            2 => Options with { Accumulation = 2 },
            3 => Options with { ClipNorm = null },
            4 => Options with { AverageDecay = 0.75 },
            5 => Options with { Configuration = "text: large" },
            _ => Options with { Configuration = "text: tiny\nsize: 3" },
        });

        second.Invoking(run => run.Resume()).Should().Throw<InvalidOperationException>()
            .WithMessage(
                $"*the run was begun with other settings: {message}*Resume it with its own settings, or begin a new " +
                "run *")
            .Which.Message.Should().NotContain("{").And.NotContain("Mamba.");
    }

    [Fact]
    public void Other_carried_states_are_refused_by_name()
    {
        using (TinyRun first = new(Options, carriesState: true))
        {
            first.Train();
        }

        using TinyRun second = new(Options);

        second.Invoking(run => run.Resume()).Should().Throw<InvalidOperationException>()
            .WithMessage("*carried states: 2 then, 0 now;*");
    }

    [Fact]
    public void A_state_of_another_batch_is_refused_by_name()
    {
        using Device device = TestDevice.Open();
        using MambaLanguageModel model = new(device, LanguageModelConfig.Mamba1(8, 1, 8), new Random(1));
        using AdamW optimizer = new(model, new());
        using ModelState one = model.CreateState(1), two = model.CreateState(2);
        TrainerOptions options = new() { Steps = 1, Folder = _folder["run"] };
        using (Trainer first =
            new(model, optimizer, options, _ => model.Loss([1, 2], 1, one)) { CarriedStates = one.Layers })
        {
            first.Run(null, TestContext.Current.CancellationToken);
        }

        using Trainer second =
            new(model, optimizer, options, _ => model.Loss([1, 2, 3, 4], 2, two)) { CarriedStates = two.Layers };

        second.Invoking(trainer => trainer.Resume(null, TestContext.Current.CancellationToken))
            .Should().Throw<InvalidOperationException>()
            .WithMessage("*carried state 0: [1, 3, 16] [1, 16, 16] then, [2, 3, 16] [2, 16, 16] now*");
    }

    [Fact]
    public void Parameter_groups_belong_to_the_configuration()
    {
        using Device device = TestDevice.Open();
        using Linear linear = new(device, 2, 2, false, new Random(1));
        using AdamW plain = new(linear, new()), slow = new(linear, new(), (_, _) => new(LearningRateScale: 0.1));
        TrainerOptions options = new() { Steps = 1, Folder = _folder["run"] };
        DeviceArray Loss(long batch) => Mamba.Autograd.Functions.Sum(linear.Forward(device.Zeros([1, 2])));
        using (Trainer first = new(linear, plain, options, Loss))
        {
            first.Run(null, TestContext.Current.CancellationToken);
        }

        using Trainer second = new(linear, slow, options, Loss);

        second.Invoking(trainer => trainer.Resume(null, TestContext.Current.CancellationToken))
            .Should().Throw<InvalidOperationException>()
            .WithMessage("*learning rate scale of weight: 0.1*");
    }

    public void Dispose() => _folder.Dispose();
}
