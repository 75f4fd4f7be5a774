using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models.Training;
using Mamba.Optimization;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Training;

public sealed class TrainerTests
{
    [Fact]
    public void A_run_learns_and_reports_every_step()
    {
        using TinyRun run = new(new() { Steps = 60, TokensPerBatch = 18 });
        List<TrainingProgress> reports = [];

        TrainingResult result = run.Train(new Listener(reports));

        result.End.Should().Be(TrainingEnd.Finished);
        result.Step.Should().Be(60);
        result.Loss.Should().BeLessThan(0.5 * reports[0].Loss!.Value);
        reports.Should().HaveCount(60);
        reports.Select(report => report.Step).Should().Equal(Enumerable.Range(1, 60).Select(step => (long)step));
        reports.Should().OnlyContain(
            report => report.GradientNorm > 0 && report.TokensPerSecond > 0 && report.Memory > 0);
    }

    [Fact]
    public void The_schedule_gives_the_learning_rate_of_every_step()
    {
        LearningRateSchedule schedule = new() { Peak = 1e-2, WarmupSteps = 2, TotalSteps = 4 };
        using TinyRun run = new(new() { Steps = 4, Schedule = schedule });
        List<TrainingProgress> reports = [];

        run.Train(new Listener(reports));

        reports.Select(report => report.LearningRate)
            .Should().Equal(Enumerable.Range(0, 4).Select(step => schedule.At(step)));
    }

    [Fact]
    public void Accumulated_batches_give_the_gradient_of_their_mean()
    {
        using TinyRun together = new(new() { Steps = 5 }, rows: 2);
        using TinyRun apart = new(new() { Steps = 5, Accumulation = 2 });

        double[] expected = [together.Train().Loss], actual = [apart.Train().Loss];

        actual.ShouldBeClose(expected, 1e-5);
        apart.Weights().ShouldBeClose(Array.ConvertAll(together.Weights(), value => (double)value), 1e-4, "weights");
    }

    [Fact]
    public void A_step_that_is_not_finite_changes_nothing_and_is_reported()
    {
        using TinyRun run = new(new() { Steps = 3 }, notFinite: batch => batch == 1);
        using TinyRun without = new(new() { Steps = 1 });
        List<TrainingProgress> reports = [];
        float[] before = [];

        TrainingResult result = run.Train(new Listener(reports, report =>
        {
            if (report.Step == 2)
            {
                before = run.Weights();
            }
        }));
        without.Train();

        before.ShouldHaveTheBitsOf(without.Weights());
        result.SkippedSteps.Should().Be(1);
        reports[1].Warning.Should().StartWith("Step 2 was skipped: its loss is NaN");
        reports[2].Warning.Should().BeNull();
    }

    [Fact]
    public void Too_many_steps_that_are_not_finite_end_the_run()
    {
        using TinyRun run = new(new() { Steps = 30, SkipLimit = 3 }, notFinite: batch => batch >= 4);

        run.Invoking(tiny => tiny.Train()).Should().Throw<NotFiniteNumberException>()
            .WithMessage("3 steps in a row were not finite; the last, step 7, has the loss NaN*");
        run.Trainer.Step.Should().Be(7);
    }

    [Fact]
    public void A_carried_state_is_put_back_where_a_step_is_skipped()
    {
        using TinyRun run = new(new() { Steps = 2 }, notFinite: batch => batch == 1, carriesState: true);
        float[] after = [];

        run.Train(new Listener([], report => after = report.Step == 1 ? run.StateValues() : after));

        run.StateValues().ShouldHaveTheBitsOf(after);
        after.Should().Contain(value => value != 0);
    }

    [Theory]
    [InlineData(1, false, true)]
    [InlineData(1, false, false)]
    [InlineData(2, false, true)]
    [InlineData(2, true, true)]
    [InlineData(1, true, false)]
    public void A_step_that_throws_is_taken_anew_with_the_same_bits(int accumulation, bool carriesState, bool inLoss)
    {
        TrainerOptions options = new() { Steps = 3, Accumulation = accumulation };
        bool hasFailed = false;
        using TinyRun whole = new(options, carriesState: carriesState);
        using TinyRun broken = new(
            options,
            carriesState: carriesState,
            notFinite: batch => inLoss && batch == (2 * accumulation) - 1 && FailOnce(),
            exchange: _ =>
            {
                if (!inLoss)
                {
                    FailOnce();
                }
            });
        whole.Train();

        broken.Invoking(run => run.Train()).Should().Throw<IOException>().WithMessage("no data");
        broken.Train().Step.Should().Be(3);

        broken.Weights().ShouldHaveTheBitsOf(whole.Weights());
        if (carriesState)
        {
            broken.StateValues().ShouldHaveTheBitsOf(whole.StateValues());
        }

        bool FailOnce()
        {
            if (hasFailed)
            {
                return false;
            }

            hasFailed = true;
            throw new IOException("no data");
        }
    }

    [Fact]
    public void Training_stops_when_evaluations_no_longer_improve()
    {
        double[] values = [3, 2, 2.5, double.NaN, 1];
        int next = 0;
        using TinyRun run = new(new() { Steps = 50, EvaluateEvery = 2, Patience = 2 }, evaluate: () => values[next++]);

        TrainingResult result = run.Train();

        result.End.Should().Be(TrainingEnd.StoppedEarly);
        result.Step.Should().Be(8);
        result.BestEvaluation.Should().Be(2);
    }

    [Fact]
    public void What_is_evaluated_is_the_average_of_the_weights()
    {
        List<float[]> seen = [];
        TinyRun? current = null;
        using TinyRun run = new(
            new() { Steps = 3, AverageDecay = 0.9, EvaluateEvery = 1 },
            evaluate: () =>
            {
                seen.Add(current!.Weights());
                return 0;
            });
        current = run;
        float[] first = run.Weights();
        List<float[]> own = [];

        run.Train(new Listener([], report =>
        {
            if (report.Loss is not null)
            {
                own.Add(run.Weights());
            }
        }));

        double[] average = Array.ConvertAll(first, value => (double)value);
        for (int step = 0; step < 3; step++)
        {
            average = [.. average.Zip(own[step], (mean, weight) => mean + (0.1 * (weight - mean)))];
            seen[step].ShouldBeClose(average, 1e-6, "average");
        }
    }

    [Fact]
    public void Gradients_are_exchanged_before_they_are_used()
    {
        int calls = 0;
        using TinyRun run = new(
            new() { Steps = 2 },
            exchange: model =>
            {
                calls++;
                model.Embedding.Weight.Gradient.ToArray().Should().Contain(value => value != 0);
                model.ClearGradients();
            });
        float[] before = run.Weights();

        run.Train();

        calls.Should().Be(2);
        run.Weights().ShouldHaveTheBitsOf(before, "no gradient was left, and nothing decays");
    }

    [Theory]
    [InlineData(0, 1.0, 1, "Steps")]
    [InlineData(1, 0.0, 1, "ClipNorm")]
    [InlineData(1, 1.0, 0, "Accumulation")]
    public void Settings_that_make_no_sense_are_refused_by_name(long steps, double clip, int accumulation, string name)
    {
        TrainerOptions options = new() { Steps = steps, ClipNorm = clip, Accumulation = accumulation };

        options.Invoking(o => o.Validate()).Should().Throw<ArgumentOutOfRangeException>().WithParameterName(name);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_run_refuses_a_module_that_was_narrowed_or_adapted_since_by_name(bool isNarrowed)
    {
        using TemporaryFolder folder = new();
        using TinyRun run = new(new() { Steps = 2, Folder = folder["run"] });
        string expected = isNarrowed
            ? "*was stored as BFloat16 after this AdamW was made*"
            : "*does not change*adapter*";
        if (isNarrowed)
        {
            run.Model.Narrow(Precision.Int8);
        }
        else
        {
            LowRank.Adapt(run.Model, new(), new Random(1));
        }

        foreach (Action refused in new Action[]
        {
            () => run.Train(), () => run.Resume(), () => run.Trainer.Restore(folder["run"]),
        })
        {
            refused.Should().Throw<InvalidOperationException>().WithMessage(expected);
        }

        run.Trainer.Step.Should().Be(0);
        Directory.Exists(folder["run"]).Should().BeFalse("the folder was not claimed");
    }

    [Fact]
    public void A_disposed_trainer_refuses_every_call_and_leaves_the_folder_to_others()
    {
        using TemporaryFolder folder = new();
        TrainerOptions options = new() { Steps = 2, Folder = folder["run"], AverageDecay = 0.9 };
        using TinyRun run = new(options), next = new(options);
        string checkpoint = run.Train().Checkpoint!;
        run.Trainer.Dispose();
        run.Trainer.Dispose();

        foreach (Action refused in new Action[]
        {
            () => run.Train(), () => run.Resume(), () => run.Trainer.Restore(checkpoint),
        })
        {
            refused.Should().Throw<ObjectDisposedException>().Which.ObjectName.Should().Be("Trainer");
        }

        next.Resume().Should().BeTrue("the folder is free");
    }

    [Fact]
    public void A_run_whose_trainer_is_disposed_by_a_callback_ends_by_name()
    {
        using TinyRun run = new(new() { Steps = 3 });

        run.Invoking(tiny => tiny.Train(new Listener([], _ => tiny.Trainer.Dispose()))).Should()
            .Throw<ObjectDisposedException>().Which.ObjectName.Should().Be("Trainer");

        run.Trainer.Step.Should().Be(1);
    }

    [Theory]
    [InlineData("Run", true)]
    [InlineData("Resume", true)]
    [InlineData("Restore", true)]
    [InlineData("Run", false)]
    [InlineData("Resume", false)]
    [InlineData("Restore", false)]
    public void A_call_by_a_callback_of_a_run_is_refused_by_name_and_changes_nothing(string name, bool inProgress)
    {
        using TemporaryFolder folder = new();
        TrainerOptions options = new() { Steps = 4, CheckpointEvery = 1 };
        using TinyRun alone = new(options);
        TinyRun? current = null;
        int refusals = 0;
        using TinyRun run = new(
            options with { Folder = folder["run"] },
            notFinite: batch => !inProgress && batch == 2 && Refused());
        current = run;
        alone.Train();

        run.Train(new Listener([], report => _ = inProgress && report.Checkpoint is not null && Refused()));

        refusals.Should().BePositive();
        run.Trainer.Step.Should().Be(4);
        run.Weights().ShouldHaveTheBitsOf(alone.Weights());

        bool Refused()
        {
            string checkpoint = Directory.GetDirectories(folder["run"], "step-*")[0];
            Action call = name switch
            {
                "Run" => () => current!.Train(),
                "Resume" => () => current!.Resume(),
                _ => () => current!.Trainer.Restore(checkpoint),
            };
            call.Should().Throw<InvalidOperationException>()
                .WithMessage($"{name} was called while Run of this trainer is in progress*");
            refusals++;
            return false;
        }
    }

    [Fact]
    public void A_trainer_refuses_an_optimiser_whose_parameters_were_narrowed_since()
    {
        using Device device = TestDevice.Open();
        using Linear linear = new(device, 32, 32, true, new Random(1));
        using AdamW optimizer = new(linear, new());
        linear.Narrow();

        Action refused = () => new Trainer(linear, optimizer, new() { Steps = 1 }, _ => default).Dispose();

        refused.Should().Throw<ArgumentException>().WithParameterName("optimizer")
            .WithMessage("\"weight\" was stored as *");
    }

    [Fact]
    public void Carried_states_that_are_null_are_refused_by_name()
    {
        using Device device = TestDevice.Open();
        using Linear linear = new(device, 2, 2, false, new Random(1));
        using AdamW optimizer = new(linear, new());

        foreach ((LayerState[]? states, string name) in new (LayerState[]?, string)[]
        {
            (null, "CarriedStates"), ([null!], "CarriedStates[0]"),
        })
        {
            Action refused = () => new Trainer(linear, optimizer, new() { Steps = 1 }, _ => default)
            {
                CarriedStates = states!,
            }.Dispose();

            refused.Should().Throw<ArgumentNullException>().WithParameterName(name);
        }
    }

    [Fact]
    public void A_loss_of_several_elements_is_refused()
    {
        using Device device = TestDevice.Open();
        using Linear linear = new(device, 2, 2, false, new Random(1));
        using AdamW optimizer = new(linear, new());
        using Trainer trainer = new(linear, optimizer, new() { Steps = 1 }, _ => linear.Forward(device.Zeros([1, 2])));

        trainer.Invoking(t => t.Run(null, TestContext.Current.CancellationToken))
            .Should().Throw<InvalidOperationException>()
            .WithMessage("Expected a loss of one element; found [1, 2].");
    }
}
