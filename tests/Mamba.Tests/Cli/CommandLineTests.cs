using System.Text;
using System.Text.Json.Nodes;
using Mamba.Cli;
using Mamba.Gpu;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Cli;

public sealed class CommandLineTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Theory]
    [InlineData("mamba train: --step: unknown option. Did you mean --steps?", "train", "--data", "x",
        "--step", "10")]
    [InlineData("mamba train: --step: unknown option. Did you mean --steps?", "train", "--step=10")]
    [InlineData("mamba train: --learning_rate: unknown option. Did you mean --learning-rate?", "train",
        "--learning_rate", "1")]
    [InlineData("mamba train: --colour: unknown option. See mamba train --help.", "train", "cfg.json",
        "--colour", "red")]
    [InlineData("mamba train: -x: unknown option. See mamba train --help.", "train", "-x")]
    [InlineData("mamba generate: --promt: unknown option. Did you mean --prompt?", "generate", "m", "--promt",
        "x")]
    [InlineData("mamba bench: --token: unknown option. Did you mean --tokens?", "bench", "--token", "5")]
    [InlineData(
        "mamba: trian: unknown command; expected train, generate, chat, serve, perplexity, bench, pull, inspect, " +
        "convert, quantize, tokenize, devices, completion. Did you mean train?",
        "trian", "--data", "x")]
    [InlineData("mamba generate: --temperature: expected a number from 0 to 1000000; found \"-1\".", "generate", "m",
        "--prompt", "a", "--temperature", "-1")]
    [InlineData("mamba generate: --temperature: expected a number from 0 to 1000000; found \"NaN\".", "generate", "m",
        "--prompt", "a", "--temperature", "NaN")]
    [InlineData("mamba generate: --tokens: expected a whole number above 0; found \"-5\".", "generate", "m",
        "--prompt", "a", "--tokens", "-5")]
    [InlineData("mamba generate: --prompt: expected at least one character; found none.", "generate", "m", "--prompt",
        "")]
    [InlineData("mamba train: missing/cfg: Could not find", "train", "missing/cfg")]
    public async Task What_is_wrong_is_one_line_and_prints_nothing_else(string message, params string[] arguments)
    {
        (int code, string output, string error) = await ToolProcess.RunAsync(arguments);

        code.Should().Be(1);
        output.Should().BeEmpty();
        error.Should().StartWith(message[..message.IndexOf(' ')]).And.Contain(message.Split(": ")[^1]);
        error.Trim().Split('\n').Should().ContainSingle();
    }

    [Fact]
    public async Task Verbose_tells_where_an_error_arose()
    {
        (int code, string output, string error) = await ToolProcess.RunAsync("--verbose", "inspect", "missing");

        code.Should().Be(1);
        output.Should().BeEmpty();
        error.Should().StartWith("mamba inspect: ").And.Contain("   at Mamba.");
    }

    [Fact]
    public async Task The_devices_have_the_names_that_settings_take()
    {
        (int code, string output, _) = await ToolProcess.RunAsync("devices", "--json");
        (_, string table, _) = await ToolProcess.RunAsync("devices");

        code.Should().Be(0);
        string[] names = [.. JsonNode.Parse(output)!.AsArray().Select(row => row!["name"]!.GetValue<string>())];
        names.Should().StartWith("cpu").And.OnlyHaveUniqueItems();
        names.Should().OnlyContain(name => DeviceName.Parse(name, "") != null);
        table.Trim().Split('\n').Select(line => line.Split(' ')[0]).Should().Equal(names);
        (int count, string none, string error) = await ToolProcess.RunAsync("devices", "cpu");
        (count, none).Should().Be((1, ""));
        error.Should().NotBeEmpty();
    }

    [Fact]
    public async Task Help_names_the_program_as_it_is_typed_and_shows_what_may_be_left_out()
    {
        (int code, string output, _) = await ToolProcess.RunAsync("train", "--help");
        (_, string root, _) = await ToolProcess.RunAsync("--help");

        code.Should().Be(0);
        output.Should().Contain("Usage:\n  mamba train [<config>] [options]").And.NotContain("[default: ]")
            .And.NotContain("Mamba.Cli")
            .And.Contain("--steps <number>").And.Contain("[default: 1000]").And.Contain("--recompute [true|false]");
        output.Split('\n').Should().OnlyContain(line => line.Length <= 120);
        root.Should().Contain("mamba <command> [options]").And.Contain("train [<config>]")
            .And.Contain("generate <model>").And.Contain("bench [<model>]");
    }

    [Fact]
    public async Task A_configuration_says_which_run_is_resumed()
    {
        string file = Config();
        (int code, _, string error) = await ToolProcess.RunAsync("train", file);
        code.Should().Be(0, error);

        (code, _, error) = await ToolProcess.RunAsync("train", file, "--resume");

        code.Should().Be(0, error);
    }

    [Fact]
    public async Task A_run_that_was_moved_goes_on_where_it_is()
    {
        await ToolProcess.RunAsync("train", Config());
        Directory.Move(_folder["first"], _folder["second"]);

        (int code, string output, string error) =
            await ToolProcess.RunAsync("train", "--output", _folder["second"], "--resume");

        code.Should().Be(0, error);
        output.Should().Contain(_folder["second/model"]);
        Directory.Exists(_folder["first"]).Should().BeFalse();
    }

    [Fact]
    public async Task Settings_that_are_the_same_are_not_written_anew()
    {
        await ToolProcess.RunAsync("train", Config());
        string settings = _folder["first/settings.json"];
        DateTime old = new(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        File.SetLastWriteTimeUtc(settings, old);

        (int code, _, string error) = await ToolProcess.RunAsync("train", "--output", _folder["first"], "--resume");

        code.Should().Be(0, error);
        File.GetLastWriteTimeUtc(settings).Should().Be(old);
    }

    [Fact]
    public async Task Settings_that_are_damaged_are_named()
    {
        await ToolProcess.RunAsync("train", Config());
        _folder.Write("first/settings.json", []);

        (int code, _, string error) = await ToolProcess.RunAsync("train", "--output", _folder["first"], "--resume");

        code.Should().Be(1);
        error.Should().StartWith($"mamba train: {_folder["first/settings.json"]}: expected JSON. ");
    }

    [Theory]
    [InlineData("step", " Did you mean --steps?")]
    [InlineData("--stepz", " Did you mean --steps?")]
    [InlineData("--colour", "")]
    public void The_nearest_name_is_guessed(string name, string hint) =>
        Nearest.Hint(name == "step" ? "--step" : name, ["--data", "--steps", "--layers"]).Should().Be(hint);

    public void Dispose() => _folder.Dispose();

    /// <summary>A configuration of a short run in the folder <c>first</c>.</summary>
    private string Config()
    {
        JsonObject settings = new()
        {
            ["data"] = _folder.Write("text.txt", Encoding.ASCII.GetBytes(new string('a', 400))),
            ["output"] = _folder["first"],
        };
        (string, int)[] sizes = [("steps", 2), ("layers", 1), ("batch", 1), ("threads", 1)];
        (string, int)[] widths = [("dim", 8), ("state", 8), ("head", 8), ("length", 8)];
        foreach ((string key, int value) in sizes.Concat(widths))
        {
            settings[key] = value;
        }

        return _folder.Write("config.json", Encoding.UTF8.GetBytes(settings.ToJsonString()));
    }
}
