using System.Text;
using System.Text.Json.Nodes;
using Mamba.Checkpoints;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Training;
using Mamba.Optimization;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Training;

/// <summary>Checkpoints whose checksums are right and whose content is not.</summary>
public sealed class LyingCheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = new(inMemory: true);

    private TrainerOptions Options => new() { Steps = 8, CheckpointEvery = 4, Folder = _folder["run"] };

    public static TheoryData<string, string> Values => new()
    {
        { "state_lengths", "null" }, { "state_lengths", "[]" }, { "state_lengths", "[0]" },
            { "state_lengths", "[0, 0, 0]" },
        { "state_lengths", "[-1, 0]" }, { "state_lengths", "[0, 2147483647]" }, { "state_lengths", "[null, 0]" },
        { "state_lengths", "[0, 99999999999]" }, { "state_lengths", "5" },
        { "optimizer_steps", "-1" }, { "optimizer_steps", "null" }, { "optimizer_steps", "1.5" },
            { "optimizer_steps", "1e300" },
        { "optimizer_steps", "2147483647" },
        { "step", "-8" }, { "step", "7" }, { "step", "9223372036854775807" }, { "step", "\"8\"" },
        { "skipped_steps", "-1" }, { "skipped_steps", "9" }, { "skipped_in_a_row", "-1" }, { "skipped_in_a_row", "1" },
        { "best_step", "3" }, { "best_evaluation", "2" }, { "best_evaluation", "\"NaN\"" },
        { "evaluations_since_best", "-1" }, { "elapsed_seconds", "-1" }, { "elapsed_seconds", "1e308" },
            { "elapsed_seconds", "9.9e11" }, { "elapsed_seconds", "\"NaN\"" },
        { "evaluation_is_due", "null" }, { "configuration", "null" }, { "configuration", "[null]" },
            { "configuration", "\"x\"" },
        { "format_version", "0" }, { "format_version", "-1" }, { "format_version", "null" },
    };

    [Theory]
    [MemberData(nameof(Values))]
    public void A_record_that_lies_is_passed_over_and_changes_nothing(string key, string json)
    {
        RunToTheEnd();
        CheckpointFiles.Set(_folder["run/step-0000000008"], key, JsonNode.Parse(json));

        ShouldPassOverTheNewest();
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("{\"configuration\": [\"\\ud800\"]}")]
    [InlineData("{\"\\udc00\": 1, \"step\": 8}")]
    public void A_record_of_another_form_is_passed_over(string json)
    {
        RunToTheEnd();
        CheckpointFiles.WriteRecord(_folder["run/step-0000000008"], json);

        ShouldPassOverTheNewest();
    }

    [Fact]
    public void A_record_that_is_not_UTF_8_is_passed_over()
    {
        RunToTheEnd();
        string checkpoint = _folder["run/step-0000000008"];
        byte[] bytes = Encoding.UTF8.GetBytes(CheckpointFiles.Record(checkpoint).ToJsonString());
        bytes[Array.LastIndexOf(bytes, (byte)'z')] = 0xFF;

        CheckpointFiles.WriteRecord(checkpoint, bytes);

        ShouldPassOverTheNewest();
    }

    [Theory]
    [InlineData(ElementType.BF16, 0)]
    [InlineData(ElementType.F32, 1)]
    public void An_array_of_another_type_or_shape_is_passed_over(ElementType type, int extra)
    {
        RunToTheEnd();
        string checkpoint = _folder["run/step-0000000008"], file = Path.Combine(checkpoint, RunArrays.FileName);
        SafetensorsWriter writer = new();
        using (SafetensorsFile old = SafetensorsFile.Open(file))
        {
            bool isFirst = true;
            foreach (TensorInfo info in old.Tensors.Values.OrderBy(info => info.Name, StringComparer.Ordinal))
            {
                long[] shape = info.Shape.ToArray();
                shape[0] += isFirst ? extra : 0;
                writer.Add(info.Name, isFirst ? type : info.Type, shape, (_, target) => target.Clear());
                isFirst = false;
            }

            writer.Save(file);
        }

        CheckpointFiles.Sign(checkpoint);

        ShouldPassOverTheNewest();
    }

    [Fact]
    public void Tokens_that_a_checkpoint_claims_take_no_memory_before_they_are_found_in_the_file()
    {
        using Device device = TestDevice.Open();
        LanguageModelConfig config =
            new() { VocabularySize = 8, Layers = [new AttentionMixerOptions { ModelDim = 8, Heads = 2 }] };
        using MambaLanguageModel model = new(device, config, new Random(1));
        using AdamW optimizer = new(model, new());
        using ModelState state = model.CreateState();
        TrainerOptions options = new() { Steps = 1, Folder = _folder["run"] };
        using (Trainer first =
            new(model, optimizer, options, _ => model.Loss([1, 2, 3, 4], 1, state)) { CarriedStates = state.Layers })
        {
            first.Run(null, TestContext.Current.CancellationToken);
        }

        CheckpointFiles.Set(_folder["run/step-0000000001"], "state_lengths", new JsonArray(1_000_000_000));
        using ModelState fresh = model.CreateState();
        using Trainer second =
            new(model, optimizer, options, _ => model.Loss([1, 2, 3, 4], 1, fresh)) { CarriedStates = fresh.Layers };
        long before = device.AllocatedBytes;

        second.Invoking(trainer => trainer.Resume(null, TestContext.Current.CancellationToken))
            .Should().Throw<InvalidDataException>()
            .WithMessage("*state.0.0*expected F32 of shape [1, 1000000000, 8]; found*");

        device.AllocatedBytes.Should().Be(before);
        fresh.Layers[0].Arrays[0].Shape[1].Should().Be(0);
    }

    [Theory]
    [InlineData("evaluations_since_best", int.MaxValue)]
    [InlineData("optimizer_steps", 1 << 30)]
    public void A_count_at_its_limit_is_resumed_again_after_more_steps(string key, int value)
    {
        using (TinyRun first = new(Options, evaluate: () => 1))
        {
            first.Train();
        }

        CheckpointFiles.Set(_folder["run/step-0000000008"], key, value);
        TrainerOptions options = Options with { Steps = 9 };
        using (TinyRun second = new(options, evaluate: () => 1))
        {
            second.Resume();
            second.Train();
        }

        using TinyRun third = new(options, evaluate: () => 1);

        third.Resume().Should().BeTrue();
        third.Trainer.Step.Should().Be(9);
    }

    [Fact]
    public void An_evaluation_that_nobody_can_do_any_more_is_left_out()
    {
        RunToTheEnd();
        CheckpointFiles.Set(_folder["run/step-0000000008"], "evaluation_is_due", true);
        using TinyRun run = new(Options with { Steps = 9 }, carriesState: true);

        run.Resume();

        run.Train().Step.Should().Be(9);
    }

    [Fact]
    public void A_run_of_an_older_format_is_refused_with_what_to_do()
    {
        RunToTheEnd();
        CheckpointFiles.Set(_folder["run/step-0000000008"], "format_version", 1);
        using TinyRun run = new(Options, carriesState: true);

        run.Invoking(tiny => tiny.Resume()).Should().Throw<NotSupportedException>()
            .WithMessage(
                "*saved in format 1; this version reads format 2. Begin a new run in another folder from the weights " +
                "in *");
    }

    public void Dispose() => _folder.Dispose();

    private void RunToTheEnd()
    {
        using TinyRun run = new(Options, carriesState: true);
        run.Train();
    }

    /// <summary>Resumes from the checkpoint before the newest, which has changed nothing.</summary>
    private void ShouldPassOverTheNewest()
    {
        using TinyRun alone = new(Options, carriesState: true);
        float[] weights = alone.Weights(), states = alone.StateValues();
        Directory.Move(_folder["run/step-0000000004"], _folder["step-0000000004"]);
        alone.Invoking(tiny => tiny.Resume()).Should().Throw<InvalidDataException>();
        alone.Trainer.Step.Should().Be(0);
        alone.Weights().ShouldHaveTheBitsOf(weights);
        alone.StateValues().ShouldHaveTheBitsOf(states);
        alone.Trainer.Dispose();

        Directory.Move(_folder["step-0000000004"], _folder["run/step-0000000004"]);
        using TinyRun run = new(Options, carriesState: true);
        List<TrainingProgress> reports = [];
        run.Resume(new Listener(reports)).Should().BeTrue();
        run.Trainer.Step.Should().Be(4);
        reports.Should().ContainSingle().Which.Warning.Should().Contain("step-0000000008");
    }
}
