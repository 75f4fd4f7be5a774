using System.Text;
using System.Text.Json;
using Mamba.Models.Checkpoints;

namespace Mamba.Tests.Checkpoints;

/// <summary>Numbers and texts as Python reads and writes them.</summary>
public sealed class PythonJsonTests
{
    [Theory]
    [InlineData("Infinity", double.PositiveInfinity)]
    [InlineData("-Infinity", double.NegativeInfinity)]
    [InlineData("NaN", double.NaN)]
    [InlineData("\"Infinity\"", double.PositiveInfinity)]
    [InlineData("{\"__float__\": \"Infinity\"}", double.PositiveInfinity)]
    [InlineData("{\"__float__\": \"-Infinity\"}", double.NegativeInfinity)]
    [InlineData("{\"__float__\": \"NaN\"}", double.NaN)]
    [InlineData("1e999", double.PositiveInfinity)] // as Python reads it
    public void Words_of_Python_are_numbers(string text, double number)
    {
        JsonElement value = PythonJson.Parse(Encoding.UTF8.GetBytes($"[{text}]"))[0];

        PythonJson.TryGetNumber(value, out double read).Should().BeTrue();
        read.Should().Be(number);
    }

    [Theory]
    [InlineData("{\"__float__\": \"Infinity\", \"x\": 1}")]
    [InlineData("{\"__float__\": 1.5}")]
    [InlineData("{\"__float__\": {\"__float__\": \"NaN\"}}")]
    [InlineData("{\"float\": \"Infinity\"}")]
    [InlineData("{}")]
    [InlineData("\"infinity\"")]
    [InlineData("true")]
    public void Other_values_are_no_numbers(string text) => PythonJson.TryGetNumber(
        PythonJson.Parse(Encoding.UTF8.GetBytes($"[{text}]"))[0], out _).Should().BeFalse();

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
        config.RawValues.Select(item => item.Key).Should().Equal("x", "list");
        Read(config.RawValues.First().Value).Should().Be(number);
        Read(config.RawValues.Last().Value.Trim('[', ']', ' ', '\n')).Should().Be(number);
    }

    private static double Read(string json)
    {
        PythonJson.TryGetNumber(PythonJson.Parse(Encoding.UTF8.GetBytes(json)), out double number).Should().BeTrue();
        return number;
    }
}
