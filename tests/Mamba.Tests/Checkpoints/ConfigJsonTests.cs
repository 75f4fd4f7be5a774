using System.Text;
using System.Text.Json;
using Mamba.Models.Checkpoints;

namespace Mamba.Tests.Checkpoints;

public sealed class ConfigJsonTests
{
    [Fact]
    public void Bare_words_of_Python_are_numbers()
    {
        ConfigJson config = Parse(
            """{"time_step_limit": [0.0, Infinity], "low": -Infinity, "none": NaN, "text": "Infinity"}""");

        config.Numbers("time_step_limit").Should().Equal(0, double.PositiveInfinity);
        config.Number("low").Should().Be(double.NegativeInfinity);
        config.Number("none").Should().Be(double.NaN);
        config.Number("text").Should().Be(double.PositiveInfinity);
    }

    [Theory]
    [InlineData("to Infinity")]
    [InlineData("say \"Infinity\", NaN")]
    [InlineData("\\")]
    [InlineData("\\\" Infinity")]
    [InlineData("-Infinity日本")]
    public void Words_inside_strings_stay(string text)
    {
        string quoted = JsonSerializer.Serialize(text);
        ConfigJson config = Parse($$"""{ {{quoted}}: {{quoted}}, "x": Infinity }""");

        config.Text(text).Should().Be(text);
        config.Number("x").Should().Be(double.PositiveInfinity);
    }

    [Theory]
    [InlineData("{\"x\": Infinit}")]
    [InlineData("{\"x\": +Infinity}")]
    [InlineData("{\"x\": InfinityInfinity}")]
    [InlineData("{\"x\": 1NaN}")]
    [InlineData("{\"x\": nan}")]
    [InlineData("{Infinity")]
    [InlineData("{\"x\": \"Infinity}")]
    [InlineData("{\"x\": \"\\")]
    [InlineData("{\"x\": 1, \"x\": 2}")]
    [InlineData("[1]")]
    [InlineData("Infinity")]
    [InlineData("")]
    public void What_is_no_JSON_object_is_refused_by_source(string text)
    {
        Action parse = () => Parse(text);

        parse.Should().Throw<InvalidDataException>().WithMessage("config.json: expected a JSON object*");
    }

    [Fact]
    public void Deep_nesting_is_refused()
    {
        Action parse = () => Parse("{\"x\":" + new string('[', 100_000));

        parse.Should().Throw<InvalidDataException>().WithMessage("config.json: *");
    }

    [Fact]
    public void Values_are_read_by_type()
    {
        ConfigJson config = Parse(
            """{"i": 5, "n": 1e-05, "t": true, "s": "silu", "l": [1, 2], "ssm_cfg": {"d_state": 32}, "whole": 2.0}""");

        config.Integer("i").Should().Be(5);
        config.Number("i").Should().Be(5);
        config.Number("n").Should().Be(1e-5);
        config.Flag("t").Should().BeTrue();
        config.Text("s").Should().Be("silu");
        config.IsNumber("s").Should().BeFalse();
        config.IsNumber("i").Should().BeTrue();
        config.Integers("l").Should().Equal(1, 2);
        config.Object("ssm_cfg").Integer("d_state").Should().Be(32);
        config.Keys.Should().Equal("i", "n", "t", "s", "l", "ssm_cfg", "whole");
    }

    [Fact]
    public void What_is_absent_or_null_has_the_value_that_the_caller_says()
    {
        ConfigJson config = Parse("""{"null": null}""");

        config.Has("null").Should().BeFalse();
        config.Has("none").Should().BeFalse();
        config.Integer("null", 7).Should().Be(7);
        config.Integer("none", 7).Should().Be(7);
        config.Number("none", 0.5).Should().Be(0.5);
        config.Flag("none", true).Should().BeTrue();
        config.Text("none", "silu").Should().Be("silu");
        config.Integers("none", [1]).Should().Equal(1);
        config.Numbers("null", [2]).Should().Equal(2);
        config.Object("none").Object("deeper").Integer("x", 3).Should().Be(3);
    }

    [Fact]
    public void Wrong_values_are_refused_by_key_expected_and_found()
    {
        ConfigJson config = Parse(
            """
            {"i": 5.5, "big": 3000000000, "s": 7, "f": "true", "l": 3, "m": [1, "x"], "null": null, "o": {"p": []}}
            """);

        ShouldBeRefused(() => config.Integer("i"), "config.json: \"i\": expected an integer of 32 bits; found 5.5.");
        ShouldBeRefused(() => config.Integer("i", 3), "*\"i\"*found 5.5.");
        ShouldBeRefused(() => config.Integer("big"), "*\"big\"*found 3000000000.");
        ShouldBeRefused(() => config.Number("f"), "*\"f\": expected a number; found \"true\".");
        ShouldBeRefused(() => config.Text("s"), "*\"s\": expected text; found 7.");
        ShouldBeRefused(() => config.Flag("f"), "*\"f\": expected true or false; found \"true\".");
        ShouldBeRefused(() => config.Numbers("l"), "*\"l\": expected a list; found 3.");
        ShouldBeRefused(() => config.Numbers("m"), "*\"m\": expected a number; found \"x\".");
        ShouldBeRefused(() => config.Integer("null"), "*\"null\": expected an integer; found null.");
        ShouldBeRefused(() => config.Integer("none"), "*\"none\": expected an integer; found nothing of that name.");
        ShouldBeRefused(() => config.Object("l"), "*\"l\": expected an object; found 3.");
        ShouldBeRefused(() => config.Object("o").Number("p"), "*\"o.p\": expected a number; found [].");
    }

    [Fact]
    public void A_byte_order_mark_is_passed_over() =>
        ConfigJson.Parse([0xEF, 0xBB, 0xBF, .. "{\"x\": 1}"u8], "config.json").Integer("x").Should().Be(1);

    [Fact]
    public void What_is_written_is_what_Python_writes()
    {
        ConfigJsonWriter writer = new();
        writer.Add("architectures", ["Mamba2ForCausalLM"]);
        writer.Add("vocab_size", 97);
        writer.Add("layer_norm_epsilon", 1e-5);
        writer.Add("use_bias", false);
        writer.Add("time_step_rank", "auto");
        writer.Add("time_step_limit", [0.0, double.PositiveInfinity]);
        writer.Add("attn_layer_idx", [1, 2]);
        writer.Add("attn_cfg", _ => { });
        writer.Add("none", Array.Empty<int>());
        writer.Add("absent", (string?)null);
        writer.Add("ssm_cfg", inner =>
        {
            inner.Add("scale", 2.0);
            inner.Add("limits", [-1.5]);
        });
        writer.Add("say \"é\"", "a\\b");

        string text = writer.ToString();

        text.Should().Be(
            """
            {
              "architectures": [
                "Mamba2ForCausalLM"
              ],
              "vocab_size": 97,
              "layer_norm_epsilon": 1e-05,
              "use_bias": false,
              "time_step_rank": "auto",
              "time_step_limit": [
                0.0,
                Infinity
              ],
              "attn_layer_idx": [
                1,
                2
              ],
              "attn_cfg": {},
              "none": [],
              "absent": null,
              "ssm_cfg": {
                "scale": 2.0,
                "limits": [
                  -1.5
                ]
              },
              "say \u0022\u00E9\u0022": "a\\b"
            }

            """.ReplaceLineEndings("\n"));
    }

    [Theory]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    [InlineData(double.NaN)]
    [InlineData(0.1)]
    [InlineData(-3)]
    [InlineData(1e300)]
    [InlineData(double.Epsilon)]
    public void Every_number_is_read_back(double number)
    {
        using TemporaryFolder folder = new();
        ConfigJsonWriter writer = new();
        writer.Add("x", number);
        writer.Add("list", [number]);

        writer.Save(folder["config.json"]);

        ConfigJson config = ConfigJson.Load(folder["config.json"]);
        config.Number("x").Should().Be(number);
        config.Numbers("list").Should().Equal(number);
    }

    private static void ShouldBeRefused(Func<object> read, string message) =>
        read.Should().Throw<InvalidDataException>().WithMessage(message);

    private static ConfigJson Parse(string text) => ConfigJson.Parse(Encoding.UTF8.GetBytes(text), "config.json");
}
