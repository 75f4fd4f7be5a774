using Mamba.Models.Training;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Training;

public sealed class BestCheckpointTests : IDisposable
{
    private static readonly double[] Values = [5, 3, 4, 4.5, 6, 7];

    private readonly TemporaryFolder _folder = new(inMemory: true);

    private TrainerOptions Options => new()
    {
        Steps = 6,
        EvaluateEvery = 1,
        CheckpointEvery = 1,
        KeepCheckpoints = 1,
        AverageDecay = 0.9,
        Folder = _folder["run"],
    };

    [Fact]
    public void The_checkpoint_of_the_best_evaluation_is_kept_beside_the_newest()
    {
        List<TrainingProgress> reports = [];
        using TinyRun run = Begin(Options);

        TrainingResult result = run.Train(new Listener(reports));

        (result.BestStep, result.BestEvaluation, result.Evaluation).Should().Be((2, 3, 7));
        result.BestCheckpoint.Should().Be(_folder["run/step-0000000002"]);
        Checkpoints().Should().BeEquivalentTo("step-0000000002", "step-0000000006");
        reports.Where(report => report.IsBest).Select(report => report.Step).Should().Equal(1, 2);
    }

    [Fact]
    public void It_is_saved_where_no_checkpoint_is_due()
    {
        using TinyRun run = Begin(Options with { CheckpointEvery = 0 });

        run.Train().BestCheckpoint.Should().Be(_folder["run/step-0000000002"]);
    }

    [Fact]
    public void It_is_not_kept_where_that_is_not_wanted()
    {
        using TinyRun run = Begin(Options with { KeepBest = false });

        TrainingResult result = run.Train();

        result.BestStep.Should().Be(2);
        result.BestCheckpoint.Should().BeNull();
        Checkpoints().Should().BeEquivalentTo("step-0000000006");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void It_survives_that_the_run_is_broken_off_and_resumed(long cancelled)
    {
        using (TinyRun first = Begin(Options))
        {
            using CancellationTokenSource source = new();
            first.Train(new Listener([], report => CancelAt(report, cancelled, source)), source.Token);
        }

        using TinyRun second = Begin(Options);
        second.Resume().Should().BeTrue();

        TrainingResult result = second.Train();

        (result.BestStep, result.BestEvaluation, result.BestCheckpoint)
            .Should().Be((2, 3, _folder["run/step-0000000002"]));
    }

    [Fact]
    public void Restoring_gives_the_weights_that_were_evaluated()
    {
        float[] best = [];
        TinyRun? current = null;
        int next = 0;
        using TinyRun run = new(Options, evaluate: () =>
        {
            best = next == 1 ? current!.Weights() : best; // the averages, which are in the module for the evaluation
            return Values[next++];
        });
        current = run;
        TrainingResult result = run.Train();

        run.Trainer.Restore(result.BestCheckpoint!);

        run.Weights().ShouldHaveTheBitsOf(best);
        run.Invoking(tiny => tiny.Train()).Should().Throw<InvalidOperationException>()
            .WithMessage("*Make a new trainer and resume*");
        run.Invoking(tiny => tiny.Resume()).Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public void A_damaged_checkpoint_is_not_restored_and_changes_nothing()
    {
        using TinyRun run = Begin(Options);
        string best = run.Train().BestCheckpoint!, file = Path.Combine(best, "training.safetensors");
        byte[] bytes = File.ReadAllBytes(file);
        bytes[^1] ^= 1;
        File.WriteAllBytes(file, bytes);
        float[] before = run.Weights();

        run.Trainer.Invoking(trainer => trainer.Restore(best)).Should().Throw<InvalidDataException>();

        run.Weights().ShouldHaveTheBitsOf(before);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.NegativeInfinity)]
    [InlineData(double.PositiveInfinity)]
    public void An_evaluation_that_is_not_finite_is_never_the_best(double value)
    {
        using TinyRun run = new(Options with { Steps = 2 }, evaluate: () => value);

        TrainingResult result = run.Train();

        (result.BestStep, result.BestEvaluation, result.BestCheckpoint).Should().Be((null, null, null));
    }

    [Fact]
    public void A_run_that_stopped_early_stays_stopped_when_it_is_resumed()
    {
        using (TinyRun first = Begin(Options with { Patience = 2 }))
        {
            first.Train().End.Should().Be(TrainingEnd.StoppedEarly);
        }

        using TinyRun second = Begin(Options with { Patience = 2 }), third = Begin(Options with { Patience = 5 });
        second.Resume();
        TrainingResult result = second.Train();
        second.Trainer.Dispose();
        third.Resume();

        (result.End, result.Step, result.BestStep).Should().Be((TrainingEnd.StoppedEarly, 4, 2));
        third.Train().Step.Should().Be(6, "there is more patience now");
    }

    [Fact]
    public void An_evaluation_that_is_cancelled_is_done_first_when_the_run_goes_on()
    {
        using CancellationTokenSource source = new();
        int evaluations = 0;
        using (TinyRun first = new(Options with { CheckpointEvery = 0, EvaluateEvery = 2 }, evaluate: () =>
        {
            if (++evaluations == 2)
            {
                source.Cancel();
                throw new OperationCanceledException(source.Token);
            }

            return 3;
        }))
        {
            TrainingResult cancelled = first.Train(null, source.Token);
            (cancelled.End, cancelled.Step).Should().Be((TrainingEnd.Cancelled, 4));
        }

        List<TrainingProgress> reports = [];
        using TinyRun second = new(Options with { CheckpointEvery = 0, EvaluateEvery = 2 }, evaluate: () => 1);
        second.Resume().Should().BeTrue();
        TrainingResult result = second.Train(new Listener(reports));

        reports[0].Should().Match<TrainingProgress>(report => report.Step == 4 && report.Evaluation == 1);
        (result.BestStep, result.Step).Should().Be((4, 6));
    }

    [Fact]
    public void A_cancelled_evaluation_of_somebody_elses_token_is_an_error()
    {
        using TinyRun run = new(Options, evaluate: () => throw new OperationCanceledException());

        run.Invoking(tiny => tiny.Train()).Should().Throw<OperationCanceledException>();
    }

    public void Dispose() => _folder.Dispose();

    private static TinyRun Begin(TrainerOptions options)
    {
        TinyRun? run = null;
        return run = new(options, evaluate: () => Values[run!.Trainer.Step - 1]);
    }

    private static void CancelAt(TrainingProgress report, long step, CancellationTokenSource source)
    {
        if (report.Step == step && report.Loss is not null)
        {
            source.Cancel();
        }
    }

    private IEnumerable<string?> Checkpoints() => Directory.EnumerateDirectories(_folder["run"])
        .Select(Path.GetFileName);
}
