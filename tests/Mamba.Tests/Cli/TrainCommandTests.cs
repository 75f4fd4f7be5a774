using System.Text;
using Mamba.Checkpoints;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Cli;

public sealed class TrainCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public TrainCommandTests() => _folder.Write("text.txt", Encoding.ASCII.GetBytes(string.Concat(
        Enumerable.Range(0, 300).Select(i => $"line {i * i % 97}\n\n"))));

    [Fact]
    public async Task A_run_leaves_settings_log_plot_checkpoints_and_a_model_that_writes_text()
    {
        (int code, string output, string error) =
            await Train("--steps", "12", "--evaluate-every", "6", "--store", "bf16");

        code.Should().Be(0, error);
        output.Should().Contain("step 6: held out ").And.Contain("bits per byte").And.Contain("all steps done");
        string[] log = await File.ReadAllLinesAsync(_folder["run/log.csv"], TestContext.Current.CancellationToken);
        log.Should().HaveCount(1 + 12 + 2);
        log[0].Should().Be(
            "step,loss_nats,learning_rate,gradient_norm,tokens_per_second,seconds,held_out_loss_nats,warning");
        log[12].Split(',')[0].Should().Be("11");
        (await File.ReadAllTextAsync(_folder["run/loss.svg"], TestContext.Current.CancellationToken))
            .Should().StartWith("<svg").And.Contain("polyline").And.EndWith("</svg>\n");
        (code, output, error) = await ToolProcess.RunAsync(
            "generate", _folder["run/model"], "--prompt", "line ", "--tokens", "7", "--temperature", "0");
        code.Should().Be(0, error);
        output.Should().StartWith("line ");
        output.Length.Should().BeInRange("line ".Length + 1, "line ".Length + 7 + 1);
    }

    [Fact]
    public async Task Settings_come_from_a_file_and_options_win()
    {
        string file = _folder.Write("config.json", Encoding.UTF8.GetBytes(
            "{ \"learning_rate\": 0.01, // a comment\n \"optimizer\": \"lion\", \"steps\": 500 }"));

        (int code, _, string error) = await Train(file, "--steps", "3");

        code.Should().Be(0, error);
        string saved = await File.ReadAllTextAsync(_folder["run/settings.json"], TestContext.Current.CancellationToken);
        saved.Should().Contain("\"learning_rate\": 0.01,").And.Contain("\"optimizer\": \"lion\"")
            .And.Contain("\"steps\": 3,");
    }

    [Theory]
    [InlineData("adam")]
    [InlineData("sgd")]
    [InlineData("lion")]
    public async Task Every_optimiser_learns(string optimizer)
    {
        string rate = optimizer switch { "sgd" => "0.3", "lion" => "0.001", _ => "0.01" };

        (int code, _, string error) = await Train(
            "--steps", "40", "--optimizer", optimizer, "--learning-rate", rate, "--warmup", "2", "--schedule",
                "constant");

        code.Should().Be(0, error);
        double[] losses = [.. File.ReadLines(_folder["run/log.csv"]).Skip(1).Select(line => line.Split(',')[1])
            .Where(cell => cell.Length > 0)
                .Select(cell => double.Parse(cell, System.Globalization.CultureInfo.InvariantCulture))];
        losses[^1].Should().BeLessThan(losses[0] - 0.5);
    }

    [Fact]
    public async Task Adapters_of_a_model_are_trained_resumed_and_merged()
    {
        (int code, _, string error) = await Train("--steps", "2");
        code.Should().Be(0, error);
        string[] tune =
        [
            "train", "--data", _folder["text.txt"], "--output", _folder["tuned"], "--from", _folder["run/model"],
            "--lora-rank", "2", "--batch", "2", "--length", "16", "--steps", "4", "--checkpoint-every", "2",
        ];

        (code, _, error) = await ToolProcess.RunAsync(tune);

        code.Should().Be(0, error);
        File.Exists(_folder["tuned/adapter/adapter_model.safetensors"]).Should().BeTrue();
        new FileInfo(_folder["tuned/model/model.safetensors"]).Length
            .Should().Be(new FileInfo(_folder["run/model/model.safetensors"]).Length,
                "adapters are merged into the weights");
        (await File.ReadAllBytesAsync(_folder["tuned/model/model.safetensors"], TestContext.Current.CancellationToken))
            .Should().NotEqual(
                await File.ReadAllBytesAsync(_folder["run/model/model.safetensors"],
                TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Streams_of_text_train_a_learned_initial_state()
    {
        (int code, _, string error) = await Train("--steps", "2", "--batches", "streams", "--initial-state", "true");

        code.Should().Be(0, error);
        using SafetensorsFile saved = SafetensorsFile.Open(_folder["run/step-0000000002/training.safetensors"]);
        TensorInfo info = saved.Tensors.Values.Single(
            tensor => tensor.Name.StartsWith("weight.", StringComparison.Ordinal)
                && tensor.Name.EndsWith("initial_state", StringComparison.Ordinal));
        float[] values = new float[info.Count];
        saved.Read(info.Name, values);
        values.Should().Contain(value => value != 0, "it was 0 before");
    }

    [Theory]
    [InlineData("Expected --data", "--data", "")]
    [InlineData("Could not find file", "--data", "missing.txt")]
    [InlineData("The data are too short: 2 windows of 100000 tokens need 300000; found ", "--length", "100000")]
    [InlineData("expected 0 to 49", "--vocabulary", "50")]
    [InlineData("--steps: expected a whole number; found \"many\".", "--steps", "many")]
    [InlineData("--optimizer: expected adam-w, adam, sgd, lion; found \"best\".", "--optimizer", "best")]
    [InlineData("--steps: expected at least 1; found 0.", "--steps", "0")]
    [InlineData("--held-out: expected from 0 to below 1; found 1.", "--held-out", "1")]
    [InlineData("--beta1: expected from 0 to below 1; found -0.5.", "--beta1", "-0.5")]
    [InlineData("--token-bytes: expected 1, 2 or 4; found 3.", "--token-bytes", "3")]
    [InlineData("--dim: twice 100 is not a multiple of --head 64.", "--dim", "100", "--head", "64")]
    [InlineData("--length 2000000000: expected at most 2147483647 tokens in a batch.", "--length", "2000000000")]
    [InlineData("There is no run to resume", "--resume", "true")]
    [InlineData("--device: expected auto, cpu, cuda, opencl or emulation; found \"abacus\".", "--device", "abacus")]
    [InlineData("--device: expected float32 or bfloat16 after the comma", "--device", "cuda,int4")]
    public async Task Input_that_is_wrong_ends_with_a_line_and_writes_nothing(string message, params string[] arguments)
    {
        (int code, _, string error) = await Train(arguments);

        code.Should().Be(1);
        error.Should().Contain(message);
        error.Trim().Split('\n').Should().ContainSingle();
        Directory.Exists(_folder["run"]).Should().BeFalse();
    }

    [Fact]
    public async Task A_setting_that_is_unknown_is_named()
    {
        string file = _folder.Write("config.json", "{ \"learning_rat\": 1 }"u8.ToArray());

        (int code, _, string error) = await Train(file);

        code.Should().Be(1);
        error.Should().Contain("config.json").And.Contain("learning_rat");
    }

    [Fact]
    public async Task A_run_is_not_overwritten_and_not_resumed_with_other_settings()
    {
        (int code, _, string error) = await Train("--steps", "2");
        code.Should().Be(0, error);
        byte[] before =
            await File.ReadAllBytesAsync(_folder["run/settings.json"], TestContext.Current.CancellationToken);

        (code, _, error) = await Train("--steps", "2");
        code.Should().Be(1);
        error.Should().Contain("holds a run");

        (code, _, error) = await ToolProcess.RunAsync("train", "--output", _folder["run"], "--resume", "--seed", "2");
        code.Should().Be(1);
        error.Should().Contain("other settings: --seed: 1 then, 2 now;")
            .And.Contain($"--from {_folder["run/model"]} --output");
        (await File.ReadAllBytesAsync(_folder["run/settings.json"], TestContext.Current.CancellationToken))
            .Should().Equal(before);
    }

    [Fact]
    public async Task Checkpoints_without_settings_are_a_run_too()
    {
        await Train("--steps", "2");
        File.Delete(_folder["run/settings.json"]);

        (int code, _, string error) = await Train("--steps", "2");

        code.Should().Be(1);
        error.Should().Contain("holds a run");
        File.Exists(_folder["run/settings.json"]).Should().BeFalse();
    }

    [Fact]
    public async Task A_learning_rate_that_is_far_too_high_ends_with_the_reason()
    {
        (int code, string output, string error) = await Train(
            "--steps", "60", "--optimizer", "sgd", "--learning-rate", "1e30", "--clip", "0", "--warmup", "0");

        code.Should().Be(1);
        error.Should().Contain("steps in a row were not finite");
        output.Should().Contain("was skipped");
    }

    [Fact]
    public async Task An_output_that_cannot_be_written_to_is_named()
    {
        (int code, _, string error) = await ToolProcess.RunAsync(
            "train", "--data", _folder["text.txt"], "--output", _folder["text.txt/run"], "--batch", "2", "--length",
                "16");

        code.Should().Be(1);
        error.Should().Contain("text.txt");
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>Trains a small model; what is given wins.</summary>
    private Task<(int Code, string Output, string Error)> Train(params string[] arguments)
    {
        string[] defaults =
        [
            "--data", _folder["text.txt"], "--output", _folder["run"], "--dim", "16", "--layers", "1", "--state", "8",
            "--head", "8", "--batch", "2", "--length", "16", "--threads", "1",
        ];
        IEnumerable<string> used = defaults.Chunk(2)
            .Where(pair => !arguments.Contains(pair[0])).SelectMany(pair => pair);
        return ToolProcess.RunAsync(["train", .. used, .. arguments]);
    }
}
