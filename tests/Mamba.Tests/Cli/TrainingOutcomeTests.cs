using System.Text;
using Mamba.Cpu;
using Mamba.Models;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Cli;

/// <summary>What a run leaves behind, and what is made of it later.</summary>
public sealed class TrainingOutcomeTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>A text of a single document whose end, which is held out, becomes unlikelier with every step.</summary>
    public TrainingOutcomeTests() =>
        _folder.Write("text.txt", Encoding.ASCII.GetBytes(new string('a', 3000) + new string('b', 200)));

    [Fact]
    public async Task The_model_is_that_of_the_best_evaluation_and_the_last_one_stands_beside_it()
    {
        (int code, string output, string error) =
            await Train("run", "--steps", "12", "--evaluate-every", "4", "--checkpoint-every", "0");

        code.Should().Be(0, error);
        output.Should().Contain("12 steps read 13% of the text").And.Contain("step 4: held out ")
            .And.Contain("the best so far")
            .And.Contain(
                $"{_folder["run/model"]} is the model of step 4, the best evaluation; {_folder["run/last"]} is the " +
                "model of the last step.")
            .And.MatchRegex(@"best +│ [\d.]+ at step 4 +│").And.MatchRegex(@"last +│ [\d.]+ at step 12 +│")
                .And.MatchRegex(@"time +│ \d+ s");
        (await Weights("run/model")).Should().Equal(await Weights("run/step-0000000004"))
            .And.NotEqual(await Weights("run/last"));
        (await Weights("run/last")).Should().Equal(await Weights("run/step-0000000012"));
    }

    [Fact]
    public async Task A_run_that_ends_again_without_a_better_model_leaves_the_same()
    {
        string[] arguments = ["--steps", "12", "--evaluate-every", "4", "--patience", "1"];
        (int code, string output, string error) = await Train("run", arguments);
        code.Should().Be(0, error);
        output.Should().Contain("early: no more improvement").And.Contain("the model of step 4");
        byte[] before = await Weights("run/model");
        Directory.Delete(_folder["run/model"], recursive: true);
        Directory.CreateDirectory(_folder["run/model.partial"]); // killed while the model was saved

        (code, output, error) = await ToolProcess.RunAsync("train", "--output", _folder["run"], "--resume");

        code.Should().Be(0, error);
        output.Should().Contain("early: no more improvement");
        (await Weights("run/model")).Should().Equal(before);
        Directory.EnumerateDirectories(_folder["run"]).Select(Path.GetFileName)
            .Should().BeEquivalentTo("step-0000000004", "step-0000000008", "model", "last");
    }

    [Fact]
    public async Task A_best_checkpoint_that_is_damaged_is_said_and_the_last_model_kept()
    {
        await Train("run", "--steps", "12", "--evaluate-every", "4");
        string file = _folder["run/step-0000000004/training.safetensors"];
        byte[] bytes = await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(file, bytes, TestContext.Current.CancellationToken);

        (int code, string output, string error) =
            await ToolProcess.RunAsync("train", "--output", _folder["run"], "--resume");

        code.Should().Be(0, error);
        output.Should().Contain("Warning: the model of the best evaluation, of step 4, is lost: ")
            .And.Contain("damaged");
        (await Weights("run/model")).Should().Equal(await Weights("run/step-0000000012"));
        Directory.Exists(_folder["run/last"]).Should().BeFalse();
    }

    [Fact]
    public async Task Text_that_is_read_many_times_is_a_warning()
    {
        (_, string output, _) = await Train("run", "--steps", "500", "--evaluate-every", "0");

        output.Should().Contain("500 steps read the text 5.3 times")
            .And.Contain("Warning: after more than 4 epochs a model overfits.");
    }

    [Fact]
    public async Task Text_of_which_nothing_could_be_held_out_is_a_warning()
    {
        _folder.Write("text.txt", Encoding.ASCII.GetBytes(new string('a', 500) + "\n\n" + new string('b', 500)));

        (int code, string output, string error) = await Train("run", "--steps", "2");

        code.Should().Be(0, error);
        output.Should().Contain("Warning: the seed held out none of 2 documents, so nothing is evaluated.");
    }

    [Fact]
    public async Task Evaluations_are_of_the_same_tokens_and_all_of_them_are_evaluated_at_the_end()
    {
        (int code, string output, string error) = await Train(
            "run", "--steps", "4", "--evaluate-every", "2", "--evaluate-tokens", "50");

        code.Should().Be(0, error);
        output.Should().MatchRegex(@"all held-out text +│ [\d.]+, model of step \d");
    }

    [Fact]
    public async Task A_run_is_named_in_place_of_its_model()
    {
        await Train("run", "--steps", "2");

        (int code, string output, string error) = await ToolProcess.RunAsync(
            "generate", _folder["run"], "--prompt", "aaa", "--tokens", "2", "--temperature", "0");
        (int bench, _, string benchError) = await ToolProcess.RunAsync(
            "bench", _folder["run"], "--prompt", "2", "--tokens", "1", "--repeat", "1", "--threads", "1");
        (int tuned, _, string tuneError) = await ToolProcess.RunAsync(
            "train", "--data", _folder["text.txt"], "--from", _folder["run"], "--output", _folder["tuned"], "--steps",
                "1", "--batch", "1",
            "--length", "16", "--threads", "1");

        code.Should().Be(0, error);
        output.Should().StartWith("aaa");
        bench.Should().Be(0, benchError);
        tuned.Should().Be(0, tuneError);
        File.ReadAllText(_folder["tuned/settings.json"]).Should().NotContain("\"dim\"", "the model has its own sizes");
        (tuned, _, tuneError) = await ToolProcess.RunAsync("train", "--output", _folder["tuned"], "--resume");
        tuned.Should().Be(0, tuneError);
    }

    [Fact]
    public async Task A_run_that_has_not_ended_says_what_to_do()
    {
        await Train("run", "--steps", "2");
        Directory.Delete(_folder["run/model"], recursive: true);
        string run = _folder["run"];

        (int code, _, string error) = await ToolProcess.RunAsync("generate", run, "--prompt", "a");

        code.Should().Be(1);
        error.Should().Be(
            $"mamba generate: {run}: this run is not finished and has no model yet. Continue it: mamba train " +
            $"--output {run} --resume; or use its newest checkpoint, {run}/step-0000000002.\n");
    }

    [Theory]
    [InlineData(300, 256, 1)]
    [InlineData(1000, 256, 1)]
    [InlineData(256, 300, 1)]
    [InlineData(300, 1000, 2)]
    public async Task A_model_of_other_tokens_than_the_data_is_refused(int model, int data, int bytes)
    {
        SaveModel(model);
        _folder.Write("tokens.bin", new byte[200]);

        (int code, _, string error) = await ToolProcess.RunAsync(
            "train", "--data", _folder["tokens.bin"], "--from", _folder["other"], "--output", _folder["run"],
                "--vocabulary", $"{data}",
            "--token-bytes", $"{bytes}", "--batch", "1", "--length", "8");

        code.Should().Be(1);
        error.Should().Contain($"--from: {_folder["other"]} has {model} tokens, and the data are ")
            .And.Contain($"--vocabulary {model}");
        Directory.Exists(_folder["run"]).Should().BeFalse();
    }

    [Theory]
    [InlineData(256)]
    [InlineData(250)]
    public async Task A_model_whose_table_is_padded_to_its_size_is_of_the_same_tokens(int vocabulary)
    {
        SaveModel(256);

        (int code, _, string error) = await ToolProcess.RunAsync(
            "train", "--data", _folder["text.txt"], "--from", _folder["other"], "--output", _folder["run"],
                "--vocabulary", $"{vocabulary}",
            "--steps", "1", "--batch", "1", "--length", "8", "--threads", "1");

        code.Should().Be(0, error);
    }

    public void Dispose() => _folder.Dispose();

    private void SaveModel(int vocabulary)
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model =
            new(device, LanguageModelConfig.Mamba1(8, 1, vocabulary) with { VocabularyMultiple = 1 }, new Random(1));
        model.Save(_folder["other"]);
    }

    private Task<byte[]> Weights(string folder) =>
        File.ReadAllBytesAsync(_folder[$"{folder}/model.safetensors"], TestContext.Current.CancellationToken);

    private Task<(int Code, string Output, string Error)> Train(string output, params string[] arguments) =>
        ToolProcess.RunAsync(
    [
        "train", "--data", _folder["text.txt"], "--output", _folder[output], "--dim", "16", "--layers", "1", "--state",
            "8", "--head", "8",
        "--batch", "2", "--length", "16", "--threads", "1", .. arguments,
    ]);
}
