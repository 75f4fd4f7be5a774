using System.Text;
using System.Text.Json;
using Mamba.Models.Checkpoints;

namespace Mamba.Tests.Checkpoints;

public sealed class ConfigJsonTests
{
    private static readonly (int Least, int Most) AnyInteger = (int.MinValue, int.MaxValue);
    private static readonly (double Least, double Most) AnyNumber = (double.NegativeInfinity, double.PositiveInfinity);

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
        config.Number("x", AnyNumber).Should().Be(double.PositiveInfinity);
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
    [InlineData("{\"x\": \"\\ud800\"}")]
    [InlineData("{\"x\": [{\"\\udc00\\ud800\": 1}]}")]
    [InlineData("[1]")]
    [InlineData("Infinity")]
    [InlineData("")]
    public void What_is_no_JSON_object_is_refused_by_source(string text)
    {
        Action parse = () => Parse(text);

        parse.Should().Throw<InvalidDataException>().WithMessage("config.json: expected a JSON object*");
    }

    [Theory]
    [InlineData(0xFF)]
    [InlineData(0xC0)]
    [InlineData(0xED)] // would begin half a surrogate pair
    public void Text_that_is_no_UTF8_is_refused(byte value)
    {
        Action inValue = () => ConfigJson.Parse([.. "{\"x\": \""u8, value, .. "\"}"u8], "config.json");
        Action inKey = () => ConfigJson.Parse([.. "{\""u8, value, .. "\": Infinity}"u8], "config.json");

        inValue.Should().Throw<InvalidDataException>().WithMessage("config.json: *not UTF-8*");
        inKey.Should().Throw<InvalidDataException>().WithMessage("config.json: *not UTF-8*");
    }

    [Fact]
    public void A_file_of_more_than_a_megabyte_is_refused_unread()
    {
        using TemporaryFolder folder = new();
        string path = folder.Write("config.json", new byte[(1 << 20) + 1]);

        Action load = () => ConfigJson.Load(path);

        load.Should().Throw<InvalidDataException>().WithMessage(
            "*config.json: expected at most 1048576 bytes; found 1048577.");
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

        config.Integer("i", AnyInteger).Should().Be(5);
        config.Number("i", AnyNumber).Should().Be(5);
        config.Number("n", AnyNumber).Should().Be(1e-5);
        config.Flag("t").Should().BeTrue();
        config.Text("s").Should().Be("silu");
        config.Integer("s", AnyInteger, "silu", 7).Should().Be(7);
        config.Integer("i", AnyInteger, "silu", 7).Should().Be(5);
        config.Integers("l", AnyInteger).Should().Equal(1, 2);
        config.OneOrMore("l", AnyInteger).Should().Equal(1, 2);
        config.OneOrMore("i", AnyInteger).Should().Equal(5);
        config.Object("ssm_cfg").Integer("d_state", AnyInteger).Should().Be(32);
        config.Integer("whole", AnyInteger).Should().Be(2);
        config.Keys.Should().Equal("i", "n", "t", "s", "l", "ssm_cfg", "whole");
    }

    [Fact]
    public void What_is_absent_or_null_has_the_value_that_the_caller_says()
    {
        ConfigJson config = Parse("""{"null": null}""");

        config.Has("null").Should().BeFalse();
        config.Has("none").Should().BeFalse();
        config.Integer("null", AnyInteger, 7).Should().Be(7);
        config.Integer("none", AnyInteger, 7).Should().Be(7);
        config.Integer("none", AnyInteger, "auto", 7).Should().Be(7);
        config.Number("none", AnyNumber, 0.5).Should().Be(0.5);
        config.Flag("none", true).Should().BeTrue();
        config.Text("none", "silu").Should().Be("silu");
        config.Integers("none", AnyInteger).Should().BeEmpty();
        config.OneOrMore("null", AnyInteger).Should().BeEmpty();
        config.Limits("null", (2, 3)).Should().Be((2, 3));
        config.Object("none").Object("deeper").Integer("x", AnyInteger, 3).Should().Be(3);
    }

    [Fact]
    public void Wrong_values_are_refused_by_key_expected_and_found()
    {
        ConfigJson config = Parse(
            """
            {"i": 5.5, "big": 3000000000, "s": 7, "f": "true", "l": 3, "m": [1, "x"], "null": null, "o": {"p": []}}
            """);

        ShouldBeRefused(
            () => config.Integer("i", (1, 8)), "config.json: \"i\": expected an integer from 1 to 8; found 5.5.");
        ShouldBeRefused(() => config.Integer("i", (1, 8), 3), "*\"i\"*found 5.5.");
        ShouldBeRefused(() => config.Integer("s", (8, 9), 8), "*\"s\"*from 8 to 9; found 7.");
        ShouldBeRefused(() => config.Integer("s", (1, 6), 8), "*\"s\"*from 1 to 6; found 7.");
        ShouldBeRefused(() => config.Integer("f", (1, 8), "auto", 3), "*\"f\"*from 1 to 8; found \"true\".");
        ShouldBeRefused(() => config.Integer("big", AnyInteger), "*\"big\"*found 3000000000.");
        ShouldBeRefused(() => config.Number("f", (0, 1)), "*\"f\": expected a number from 0 to 1; found \"true\".");
        ShouldBeRefused(() => config.Number("i", (0, 1)), "*\"i\": expected a number from 0 to 1; found 5.5.");
        ShouldBeRefused(() => config.Text("s"), "*\"s\": expected text; found 7.");
        ShouldBeRefused(() => config.Flag("f"), "*\"f\": expected true or false; found \"true\".");
        ShouldBeRefused(() => config.Integers("l", AnyInteger), "*\"l\": expected a list; found 3.");
        ShouldBeRefused(() => config.OneOrMore("m", (0, 4)), "*\"m\": expected an integer from 0 to 4; found \"x\".");
        ShouldBeRefused(() => config.Integer("null", (0, 4)), "*\"null\": expected an integer*; found null.");
        ShouldBeRefused(() => config.Integer("none", (0, 4)), "*\"none\": expected*; found nothing of that name.");
        ShouldBeRefused(() => config.Object("l"), "*\"l\": expected an object; found 3.");
        ShouldBeRefused(() => config.Object("o").Number("p", (0, 1)), "*\"o.p\": expected a number*; found [].");
    }

    [Theory]
    [InlineData("[0, NaN]")]
    [InlineData("[NaN, 1]")]
    [InlineData("[2, 1]")]
    [InlineData("[Infinity, Infinity]")]
    [InlineData("[-Infinity, 0]")]
    [InlineData("[1e39, 1e40]")] // beyond float32
    [InlineData("[0]")]
    [InlineData("[0, 1, 2]")]
    [InlineData("[0, \"1\"]")]
    [InlineData("{\"__float__\": \"Infinity\"}")]
    [InlineData("1")]
    public void Limits_that_are_none_are_refused(string limits)
    {
        ConfigJson config = Parse($$"""{"limits": {{limits}}}""");

        ShouldBeRefused(() => config.Limits("limits", (0, 1)), "*\"limits\": expected two numbers*");
    }

    [Theory]
    [InlineData(0.999)]
    [InlineData(1048577)]
    [InlineData(1e300)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_derived_size_out_of_range_is_refused(double size) => ShouldBeRefused(
        () => Parse("{}").Object("ssm_cfg").Derived("a times b", size),
        "config.json: expected ssm_cfg.a times b from 1 to 1048576; found *.");

    [Fact]
    public void A_byte_order_mark_is_passed_over() =>
        ConfigJson.Parse([0xEF, 0xBB, 0xBF, .. "{\"x\": 1}"u8], "config.json").Integer("x", AnyInteger).Should().Be(1);

    private static void ShouldBeRefused(Func<object> read, string message) =>
        read.Should().Throw<InvalidDataException>().WithMessage(message);

    private static ConfigJson Parse(string text) => ConfigJson.Parse(Encoding.UTF8.GetBytes(text), "config.json");
}
