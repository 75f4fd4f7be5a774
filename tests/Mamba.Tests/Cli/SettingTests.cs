using System.Text;
using Mamba.Cli.Train;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Cli;

public sealed class SettingTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Theory]
    [InlineData("{\"learning_rat\": 1}", "\"learning_rat\": unknown setting. Did you mean learning_rate?")]
    [InlineData("{\"colour\": 1}", "\"colour\": unknown setting.")]
    [InlineData("{\"data\": null}", "\"data\": expected a text; found \"null\".")]
    [InlineData("{\"from\": null}", "\"from\": expected a text; found \"null\".")]
    [InlineData("{\"steps\": null}", "\"steps\": expected a whole number; found \"null\".")]
    [InlineData("{\"steps\": 1.5}", "\"steps\": expected a whole number; found \"1.5\".")]
    [InlineData("{\"steps\": \"5\"}", "\"steps\": expected a whole number; found \"5\".")]
    [InlineData("{\"dim\": 3000000000}", "\"dim\": expected a whole number; found \"3000000000\".")]
    [InlineData("{\"dim\": 0}", "\"dim\": expected from 1 to 1048576; found 0.")]
    [InlineData("{\"learning_rate\": 1e999}", "\"learning_rate\": expected a number; found \"1e999\".")]
    [InlineData("{\"learning_rate\": [1]}", "\"learning_rate\": expected a number; found \"[1]\".")]
    [InlineData("{\"optimizer\": 1}", "\"optimizer\": expected adam-w, adam, sgd, lion; found \"1\".")]
    [InlineData("{\"optimizer\": null}", "\"optimizer\": expected adam-w, adam, sgd, lion; found \"null\".")]
    [InlineData("{\"recompute\": 1}", "\"recompute\": expected true or false; found \"1\".")]
    [InlineData("{\"steps\": 1, \"steps\": 2}", "\"steps\": the setting is given twice.")]
    [InlineData("{\"data\": \"\\ud800\"}", "\"data\": expected Unicode text; found half a character.")]
    [InlineData("{\"\\ud800\": 1}", ": expected names of Unicode text; one has half a character.")]
    [InlineData("{\"held_out\": 1}", "\"held_out\": expected from 0 to below 1; found 1.")]
    [InlineData("{\"dim\": 100, \"head\": 64}", "\"dim\": twice 100 is not a multiple of ")]
    [InlineData("{\"device\": \"abacus\"}",
        "\"device\": expected auto, cpu, cuda, opencl or emulation; found \"abacus\".")]
    [InlineData("{\"token_bytes\": 2, \"separator\": \"x\"}", "\"separator\": the separator is text, but with ")]
    [InlineData("{\"from\": \"x\", \"layers\": 2}", "\"layers\": this is a size of a new model, but ")]
    [InlineData("{\"steps\": 0}", "\"steps\": expected at least 1; found 0.")]
    [InlineData("{\"steps\": 2000000000000}", "\"steps\": expected from 1 to 1000000000000; found 2000000000000.")]
    [InlineData("{\"layers\": 2147483647}", "\"layers\": expected from 1 to 4096; found 2147483647.")]
    [InlineData("{\"threads\": 100000}", "\"threads\": expected from 0 to 1024; found 100000.")]
    [InlineData("{\"state\": 2147483647}", "\"state\": expected from 0 to 1048576; found 2147483647.")]
    [InlineData("{\"vocabulary\": 2147483647}", "\"vocabulary\": expected from 1 to 16777216; found 2147483647.")]
    [InlineData("{\"learning_rate\": 1e300}", "expected from 0 to 3.4028234663852886E+38; found 1E+300.")]
    [InlineData("{\"weight_decay\": 1e39}", "expected from 0 to 3.4028234663852886E+38; found 1E+39.")]
    [InlineData("{\"output\": \"\"}", "\"output\": expected a folder for the run; found \"\".")]
    [InlineData("{\"output\": \"a\\u0000b\"}", "\"output\": expected a path; found one with the character U+0000.")]
    [InlineData("{\"vocabulary\": 10}", "\"vocabulary\": expected at least 11, because ")]
    [InlineData("{\"lora_rank\": 4, \"lora_alpha\": 1e-46}", "\"lora_alpha\": expected a number above 0, also ")]
    [InlineData(
        "{\"batches\": \"packed\", \"batch\": 1, \"length\": 1}",
        "\"length\": expected at least 2 tokens in a batch of packed documents; found 1.")]
    [InlineData("[]", ": expected a JSON object of settings.")]
    [InlineData("null", ": expected a JSON object of settings.")]
    [InlineData("", ": expected JSON. ")]
    [InlineData("{", ": expected JSON. ")]
    public void A_file_that_is_wrong_is_refused_with_file_and_key(string json, string message)
    {
        string file = _folder.Write("config.json", Encoding.UTF8.GetBytes(json));

        Action read = () => Read(file, ("data", "x"));

        read.Should().Throw<InvalidDataException>().Which.Message.Should().StartWith(file).And.Contain(message)
            .And.NotContain("System.").And.NotContain("Mamba.");
    }

    [Fact]
    public void A_file_that_is_not_UTF_8_is_refused()
    {
        string file = _folder.Write("config.json", [.. "{\"data\": \""u8, 0xFF, .. "\"}"u8]);

        this.Invoking(_ => Read(file)).Should().Throw<InvalidDataException>()
            .WithMessage("*config.json: expected at most * bytes of UTF-8 text.");
    }

    [Fact]
    public void A_file_without_end_is_refused()
    {
        Assert.SkipUnless(File.Exists("/dev/zero"), "Needs /dev/zero.");

        this.Invoking(_ => Read("/dev/zero")).Should().Throw<InvalidDataException>()
            .WithMessage("/dev/zero: expected at most 1048576 bytes*");
    }

    [Fact]
    public void A_file_may_begin_with_a_byte_order_mark()
    {
        string file = _folder.Write("config.json", [.. "\uFEFF"u8, .. "{\"data\": \"x\", }"u8]);

        Read(file).Data.Should().Be("x");
    }

    [Theory]
    [InlineData("--steps: expected at least 1; found 0.", "steps", "0")]
    [InlineData("--steps: expected a whole number; found \"1.5\".", "steps", "1.5")]
    [InlineData("--floor: expected from 0 to 1; found 1.5.", "floor", "1.5")]
    [InlineData("--clip: expected at least 0; found -1.", "clip", "-1")]
    [InlineData("--dim: twice 100 is not a multiple of --head 64.", "dim", "100")]
    [InlineData("--head: expected a whole number; found \"\".", "head", "")]
    [InlineData("--recompute: expected true or false; found \"yes\".", "recompute", "yes")]
    [InlineData("--learning-rate: expected a number; found \"NaN\".", "learning_rate", "NaN")]
    public void An_option_that_is_wrong_is_refused_by_its_name(string message, string key, string value) =>
        this.Invoking(_ => Read(null, ("data", "x"), (key, value))).Should().Throw<InvalidDataException>()
            .WithMessage(message);

    [Fact]
    public void A_separator_is_refused_for_tokens_that_are_numbers_even_where_it_is_the_default()
    {
        this.Invoking(_ => Read(null, ("data", "x"), ("token_bytes", "2"), ("separator", "\n\n")))
            .Should().Throw<InvalidDataException>()
            .WithMessage(
                "--separator: the separator is text, but with --token-bytes 2 the data are numbers. Leave*");
        Read(null, ("data", "x"), ("token_bytes", "2")).Separator.Should().BeEmpty();
        Read(null, ("data", "x")).Separator.Should().Be("\n\n");
    }

    [Theory]
    [InlineData("dim", "64")]
    [InlineData("layers", "2")]
    [InlineData("model", "mamba1")]
    [InlineData("state", "16")]
    [InlineData("head", "32")]
    public void An_option_that_shapes_a_new_model_is_refused_beside_a_model_to_go_on_with(string key, string value) =>
        this.Invoking(_ => Read(null, ("data", "x"), ("from", "run"), (key, value)))
            .Should().Throw<InvalidDataException>()
            .WithMessage(
                $"--{key}: this is a size of a new model, but --from loads run, which has its own sizes. Remove one " +
                "of them.");

    [Fact]
    public void The_settings_of_another_run_serve_for_one_that_goes_on_with_its_model()
    {
        string file = _folder.Write("settings.json", "{\"data\": \"x\", \"dim\": 96, \"head\": 7}"u8.ToArray());

        Read(file, ("from", "run")).From.Should().Be("run");
    }

    [Fact]
    public void Every_number_has_a_range() => SettingKind.All
        .Where(kind => !kind.IsText && !kind.IsFlag && kind.Key is not ("seed" or "token_bytes"))
        .Should().OnlyContain(kind => Refuses(kind));

    public void Dispose() => _folder.Dispose();

    private static bool Refuses(SettingKind kind)
    {
        try
        {
            Read(null, ("data", "x"), (kind.Key, "-1"));
            return false;
        }
        catch (InvalidDataException exception)
        {
            return exception.Message.StartsWith($"{kind.Option}: expected ", StringComparison.Ordinal);
        }
    }

    private static TrainSettings Read(string? file, params (string Key, string Value)[] options)
    {
        SettingSources sources = new();
        if (file is not null)
        {
            sources.AddFile(file);
        }

        sources.AddOptions(options
            .Select(option => (SettingKind.All.Single(kind => kind.Key == option.Key), option.Value)));
        return sources.Settings();
    }
}
