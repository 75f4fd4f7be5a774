using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Training;
using Mamba.Optimization;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Training;

public sealed class RunCheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = new(inMemory: true);

    private TrainerOptions Options => new()
    {
        Steps = 12,
        CheckpointEvery = 4,
        Folder = Path.Combine(_folder.Path, "run"),
        AverageDecay = 0.9,
        Schedule = new() { Peak = 1e-2, TotalSteps = 12 },
        Configuration = "data: tiny\nseed: 1",
    };

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(11)]
    public void A_run_that_is_cancelled_and_resumed_has_the_bits_of_an_unbroken_one(long cancelled)
    {
        using TinyRun unbroken = new(Options with { Folder = null }, carriesState: true);
        unbroken.Train();
        using (TinyRun first = new(Options, carriesState: true))
        {
            using CancellationTokenSource source = new();
            TrainingResult result = first.Train(
                new Listener([], report => CancelAt(report, cancelled, source)), source.Token);

            result.End.Should().Be(TrainingEnd.Cancelled);
            result.Step.Should().Be(cancelled);
        }

        using TinyRun second = new(Options, carriesState: true);
        second.Resume().Should().BeTrue();
        second.Trainer.Step.Should().Be(cancelled);
        second.Train();

        second.Weights().ShouldHaveTheBitsOf(unbroken.Weights());
        second.StateValues().ShouldHaveTheBitsOf(unbroken.StateValues());
    }

    [Fact]
    public void The_newest_checkpoints_are_kept_and_hold_the_averaged_model()
    {
        using TinyRun run = new(Options with { KeepCheckpoints = 2 });
        List<TrainingProgress> reports = [];

        TrainingResult result = run.Train(new Listener(reports));

        string[] names = [.. Directory.EnumerateDirectories(Options.Folder!).Select(path => Path.GetFileName(path)!)];
        names.Should().BeEquivalentTo("step-0000000008", "step-0000000012");
        reports.Select(report => report.Checkpoint).OfType<string>().Should().HaveCount(3);
        using CpuDevice device = TestDevice.Cpu(1);
        using MambaLanguageModel loaded = MambaLanguageModel.Load(result.Checkpoint!, device);
        float[] weights = [.. loaded.Parameters.SelectMany(named => named.Parameter.Value.ToArray())];
        weights.Should().NotEqual(run.Weights());
        weights.Should().HaveCount(run.Weights().Length);
    }

    [Theory]
    [InlineData("training.safetensors")]
    [InlineData("training.json")]
    [InlineData("model.safetensors")]
    [InlineData("SHA256SUMS")]
    public void A_damaged_checkpoint_is_reported_and_the_one_before_is_used(string file)
    {
        string newest = RunToTheEnd();
        string path = Path.Combine(newest, file);
        byte[] bytes = File.ReadAllBytes(path);
        bytes[^2] ^= 1;
        File.WriteAllBytes(path, bytes);
        using TinyRun run = new(Options);
        List<TrainingProgress> reports = [];

        run.Resume(new Listener(reports)).Should().BeTrue();

        run.Trainer.Step.Should().Be(8);
        reports.Should().ContainSingle().Which.Warning.Should().StartWith("A checkpoint is passed over: ")
            .And.Contain("step-0000000012");
    }

    [Theory]
    [InlineData("SHA256SUMS")]
    [InlineData("training.safetensors")]
    public void A_checkpoint_that_was_cut_short_is_passed_over(string file)
    {
        string newest = RunToTheEnd();
        using (FileStream stream = File.OpenWrite(Path.Combine(newest, file)))
        {
            stream.SetLength(0);
        }

        using TinyRun run = new(Options);

        run.Resume().Should().BeTrue();

        run.Trainer.Step.Should().Be(8);
    }

    [Fact]
    public void A_run_that_was_cancelled_before_its_first_step_goes_on()
    {
        using (TinyRun first = new(Options))
        {
            first.Train(null, new CancellationToken(canceled: true)).Step.Should().Be(0);
        }

        using TinyRun second = new(Options);
        second.Resume().Should().BeTrue();

        second.Train().Step.Should().Be(12);
    }

    [Fact]
    public void A_carried_state_that_has_read_nothing_is_saved_as_what_is_learned()
    {
        using Device device = TestDevice.Open();
        MambaMixerOptions mixer = new() { ModelDim = 4, StateDim = 2, LearnableInitialState = true };
        using MambaLanguageModel model = new(device, new() { VocabularySize = 8, Layers = [mixer] }, new Random(1));
        Parameter initial = ((RecurrentMixer)model.Blocks[0].Mixer).InitialState!;
        using AdamW optimizer = new(model, new());
        using ModelState state = model.CreateState(), fresh = model.CreateState();
        initial.Value.CopyFrom([.. Enumerable.Range(1, (int)initial.Value.Shape.Count).Select(i => (float)i)]);
        TrainerOptions options = new() { Steps = 1, Folder = _folder["run"] };
        using (Trainer first = new(model, optimizer, options, _ => model.Loss([1, 2], 1, state))
            { CarriedStates = state.Layers })
        {
            first.Run(null, new CancellationToken(canceled: true));
        }

        using Trainer second = new(model, optimizer, options, _ => model.Loss([1, 2], 1, fresh))
            { CarriedStates = fresh.Layers };
        second.Resume(null, TestContext.Current.CancellationToken).Should().BeTrue();

        fresh.Layers[0].Arrays[1].ToArray().Should().Equal(initial.Value.ToArray());
    }

    [Fact]
    public void A_run_whose_checkpoints_are_all_damaged_is_refused()
    {
        RunToTheEnd();
        foreach (string folder in Directory.EnumerateDirectories(Options.Folder!))
        {
            File.Delete(Path.Combine(folder, "training.json"));
        }

        using TinyRun run = new(Options);

        run.Invoking(tiny => tiny.Resume()).Should().Throw<InvalidDataException>()
            .WithMessage("*none of the 2 checkpoints can be used. The newest: *training.json*");
    }

    [Fact]
    public void A_folder_without_a_run_has_nothing_to_resume()
    {
        using TinyRun run = new(Options);

        run.Resume().Should().BeFalse();
    }

    [Fact]
    public void A_run_of_another_configuration_is_not_resumed()
    {
        RunToTheEnd();
        using TinyRun run = new(Options with { Configuration = "data: tiny\nseed: 2" });

        run.Invoking(tiny => tiny.Resume()).Should().Throw<InvalidOperationException>()
            .WithMessage(
                "*the run was begun with other settings: seed: 1 then, 2 now. Resume it with its own settings, or " +
                "begin*");
    }

    [Fact]
    public void A_folder_that_holds_a_run_is_not_overwritten()
    {
        RunToTheEnd();
        using TinyRun run = new(Options);

        run.Invoking(tiny => tiny.Train()).Should().Throw<InvalidOperationException>()
            .WithMessage("*is a checkpoint of an earlier run*");
    }

    [Fact]
    public void A_folder_that_cannot_be_written_to_is_noticed_before_the_first_step()
    {
        string file = Path.Combine(_folder.Path, "file");
        File.WriteAllText(file, "");
        using TinyRun run = new(Options with { Folder = Path.Combine(file, "run") });

        run.Invoking(tiny => tiny.Train()).Should().Throw<IOException>();

        run.Trainer.Step.Should().Be(0);
    }

    [Fact]
    public void A_checkpoint_that_cannot_be_saved_is_reported_and_training_goes_on()
    {
        int saves = 0;
        using TinyRun run = new(Options, export: folder =>
        {
            File.WriteAllText(Path.Combine(folder, "half"), "");
            if (++saves == 2)
            {
                throw new IOException("The disk is full.");
            }
        });
        List<TrainingProgress> reports = [];

        run.Train(new Listener(reports));

        reports.Where(report => report.Warning is not null).Should().ContainSingle()
            .Which.Warning.Should().Be("No checkpoint at step 8: The disk is full.");
        Directory.EnumerateDirectories(Options.Folder!).Select(Path.GetFileName)
            .Should().BeEquivalentTo("step-0000000004", "step-0000000012");
    }

    [Fact]
    public void What_a_killed_process_left_half_written_is_not_a_checkpoint_and_is_removed()
    {
        RunToTheEnd();
        string left = Path.Combine(Options.Folder!, "step-0000000099.partial");
        Directory.CreateDirectory(left);
        using TinyRun run = new(Options with { Steps = 13 });

        run.Resume().Should().BeTrue();
        run.Trainer.Step.Should().Be(12);
        run.Train();

        Directory.Exists(left).Should().BeFalse();
    }

    [Fact]
    public void Frozen_weights_must_be_those_that_the_run_was_begun_with()
    {
        using (TinyRun first = new(Options with { Steps = 1 }, freeze: true))
        {
            first.Train();
        }

        using TinyRun second = new(Options with { Steps = 1 }, freeze: true);
        second.Model.FinalNorm.Weight.Value.CopyFrom([2, 2, 2, 2, 2, 2, 2, 2]);

        second.Invoking(tiny => tiny.Resume()).Should().Throw<InvalidOperationException>()
            .WithMessage("*other settings: frozen weights: other values now. *");
    }

    public void Dispose() => _folder.Dispose();

    private static void CancelAt(TrainingProgress report, long step, CancellationTokenSource source)
    {
        if (report.Step == step)
        {
            source.Cancel();
        }
    }

    private string RunToTheEnd()
    {
        using TinyRun run = new(Options);
        return run.Train().Checkpoint!;
    }
}
