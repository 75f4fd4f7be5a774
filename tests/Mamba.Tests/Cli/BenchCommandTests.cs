using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Mamba.Cli.Bench;
using Mamba.Cpu;
using Mamba.Models;
using Mamba.Tests.Checkpoints;
using Spectre.Console;

namespace Mamba.Tests.Cli;

public sealed class BenchCommandTests : IDisposable
{
    private const int VocabularySize = 50;

    private readonly TemporaryFolder _folder = new();

    public BenchCommandTests()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using MambaLanguageModel model = new(device, LanguageModelConfig.Mamba1(16, 2, VocabularySize), new Random(1));
        model.Save(_folder["model"]);
    }

    [Fact]
    public async Task Json_has_all_figures_of_a_model_in_a_folder()
    {
        (int code, string output, string error) = await ToolProcess.RunAsync(
            "bench", _folder["model"], "--prompt", $"{VocabularySize + 20}", "--tokens", "6", "--batch", "2",
            "--repeat", "2", "--threads", "1", "--json");

        code.Should().Be(0, error);
        JsonElement report = JsonDocument.Parse(output).RootElement;
        report.GetProperty("model").GetString().Should().Be(_folder["model"]);
        report.GetProperty("weights").GetString().Should().Be("float32");
        (string, int)[] counts = [("prompt", VocabularySize + 20), ("tokens", 6), ("batch", 2), ("repeat", 2)];
        foreach ((string name, int expected) in counts)
        {
            report.GetProperty(name).GetInt32().Should().Be(expected, name);
        }

        foreach (string name in (string[])["load_seconds", "prefill_tokens_per_second", "decode_tokens_per_second"])
        {
            report.GetProperty(name).GetDouble().Should().BePositive(name);
        }

        report.GetProperty("decode_tokens_per_second_per_conversation").GetDouble()
            .Should().Be(report.GetProperty("decode_tokens_per_second").GetDouble() / 2);
        JsonElement latency = report.GetProperty("latency_ms");
        string[] percentiles = ["p50", "p90", "p99", "max"];
        double[] latencies = Array.ConvertAll(percentiles, name => latency.GetProperty(name).GetDouble());
        latencies.Should().BeInAscendingOrder().And.OnlyContain(value => value > 0);
        report.GetProperty("device_bytes").GetInt64()
            .Should().BeGreaterThan(sizeof(float) * report.GetProperty("parameters").GetInt64());
        report.GetProperty("device").GetString().Should().StartWith("CPU, 1 thread,");
        report.GetProperty("framework").GetString().Should().StartWith(".NET ");
    }

    [Fact]
    public async Task Lists_of_lengths_and_threads_give_a_row_each()
    {
        string[] options =
        [
            "bench", _folder["model"], "-p", "5,9", "-n", "3", "-t", "1,2", "-r", "3", "-o",
        ];

        (int code, string table, string error) = await ToolProcess.RunAsync([.. options, "md"]);
        (_, string csv, _) = await ToolProcess.RunAsync([.. options, "csv"]);
        (_, string json, _) = await ToolProcess.RunAsync([.. options, "json"]);
        (int none, _, string fault) = await ToolProcess.RunAsync("bench", _folder["model"], "-p", "5,9");

        code.Should().Be(0, error);
        string[] lines = table.TrimEnd('\n').Split('\n');
        lines.Should().HaveCount(2 + 6);
        lines[0].Should().Contain("test").And.Contain("t/s");
        lines[2..].Should().OnlyContain(line => line.Contains(" ± "));
        lines[2..].Select(line => line.Split('|')[6].Trim()).Should().Equal("pp5", "pp9", "tg3", "pp5", "pp9", "tg3");
        csv.TrimEnd('\n').Split('\n').Should().HaveCount(1 + 6).And.OnlyContain(line => line.Split(',').Length >= 9);
        JsonElement[] rows = [.. JsonDocument.Parse(json).RootElement.EnumerateArray()];
        rows.Select(row => row.GetProperty("threads").GetInt32()).Should().Equal(1, 1, 1, 2, 2, 2);
        foreach (JsonElement row in rows)
        {
            double[] rates = [.. row.GetProperty("rates").EnumerateArray().Select(rate => rate.GetDouble())];
            rates.Should().HaveCount(3).And.OnlyContain(rate => rate > 0);
            row.GetProperty("mean").GetDouble().Should().BeApproximately(rates.Average(), 1e-6 * rates.Average());
            double variance = rates.Sum(rate => Math.Pow(rate - rates.Average(), 2)) / 2;
            row.GetProperty("deviation").GetDouble().Should().BeApproximately(
                Math.Sqrt(variance), 1e-6 * rates.Average());
        }

        none.Should().Be(1);
        fault.Should().Contain("name a format with --output");
    }

    [Fact]
    public async Task The_table_names_model_rates_latencies_memory_and_machine()
    {
        (int code, string output, string error) = await ToolProcess.RunAsync(
            "bench", _folder["model"], "--prompt", "5", "--tokens", "3", "--repeat", "1", "--threads", "1");

        code.Should().Be(0, error);
        output.Should().Contain("float32").And.MatchRegex(@"prefill +│ [\d,.]+ tokens/s")
            .And.MatchRegex(@"decode +│ [\d,.]+ tokens/s")
            .And.NotContain("per conversation")
            .And.MatchRegex(@"p99 +│ [\d.]+ ms").And.MatchRegex(@"device memory +│ [\d,]+ MB")
            .And.Contain("CPU, 1 thread");
    }

    [Theory]
    [InlineData(false, 1, "load ", "per conversation", "random weights")]
    [InlineData(true, 2, "random weights in", "load ", "nothing")]
    public void A_row_has_the_name_of_what_it_shows(bool isPreset, int batch, string shown, string hidden, string other)
    {
        using StringWriter text = new(CultureInfo.InvariantCulture);
        BenchReport report = new()
        {
            Model = "m", IsPreset = isPreset, Parameters = 1, Weights = "float32", Prompt = 1, Tokens = 1,
                Batch = batch, Repeat = 1,
            LoadSeconds = 1, PrefillTokensPerSecond = 1, DecodeTokensPerSecond = 1, LatencyMs = new(1, 1, 1, 1),
                DeviceBytes = 1,
            PeakWorkingSetBytes = null, Device = "CPU",
        };

        BenchScreen.Write(AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(text) }), report);

        text.ToString().Should().Contain(shown).And.NotContain(hidden).And.NotContain(other);
        text.ToString().Contains("per conversation", StringComparison.Ordinal).Should().Be(batch > 1);
    }

    [Theory]
    [InlineData("Expected either the folder of a model or --preset. The presets: mamba-130m, mamba-370m,")]
    [InlineData("Expected either the folder of a model or --preset.", "folder", "--preset", "mamba-130m")]
    [InlineData("mamba2-780m, mamba2-1.3b, mamba2-2.7b; found \"mamba-7b\"", "--preset", "mamba-7b")]
    [InlineData("expected one positive number each; for several, or for 0, name a format", "folder", "--prompt", "0")]
    [InlineData(
        "--tokens: expected whole numbers of 0 or more, with commas; found \"-1\".", "folder", "--tokens", "-1")]
    [InlineData("--batch: expected a whole number above 0; found \"many\".", "folder", "--batch", "many")]
    [InlineData("--repeat: expected a whole number above 0; found \"9999999999\".", "folder", "--repeat", "9999999999")]
    [InlineData(
        "--threads: expected whole numbers from 1 to 1024, with commas; found \"0\".", "folder", "--threads", "0")]
    [InlineData(
        "--threads: expected whole numbers from 1 to 1024, with commas; found \"100000\".", "folder", "--threads",
        "100000")]
    [InlineData("--weights: expected float32, bfloat16", "folder", "--weights", "int3")]
    [InlineData(
        "--device: expected auto, cpu, cuda, opencl or emulation; found \"abacus\".", "folder", "--device", "abacus")]
    [InlineData("--device: expected cpu:THREADS, with 1 to 1024 threads", "folder", "--device", "cpu:0")]
    [InlineData(
        "--device: expected cpu without a number, because the number of threads is set to 2; found \"cpu:2\".",
        "folder", "--device", "cpu:2", "--threads", "2")]
    [InlineData("missing: the folder does not exist. Expected a local folder,", "missing")]
    public async Task Input_that_is_wrong_ends_with_a_line(string message, params string[] arguments)
    {
        (int code, string output, string error) = await ToolProcess.RunAsync(["bench", .. arguments]);

        code.Should().Be(1);
        output.Should().BeEmpty();
        error.Should().StartWith("mamba bench: ").And.Contain(message);
        error.Trim().Split('\n').Should().ContainSingle();
    }

    [Fact]
    public async Task A_process_that_is_terminated_ends_with_143()
    {
        using Process process = ToolProcess.Start(
            "bench", _folder["model"], "--tokens", "100000", "--repeat", "1000000", "--threads", "1");
        while (process.TotalProcessorTime < TimeSpan.FromSeconds(1)) // more than the runtime takes to start
        {
            await Task.Delay(20, TestContext.Current.CancellationToken);
            process.Refresh();
        }

        using (Process interrupt = Process.Start("kill", ["-TERM", $"{process.Id}"]))
        {
            await interrupt.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        process.ExitCode.Should().Be(143);
        output.Should().BeEmpty();
    }

    [Theory]
    [InlineData("mamba-130m", 130e6)]
    [InlineData("mamba-370m", 370e6)]
    [InlineData("mamba-790m", 790e6)]
    [InlineData("mamba-1.4b", 1.4e9)]
    [InlineData("mamba-2.8b", 2.8e9)]
    [InlineData("mamba2-130m", 130e6)]
    [InlineData("mamba2-370m", 370e6)]
    [InlineData("mamba2-780m", 780e6)]
    [InlineData("mamba2-1.3b", 1.3e9)]
    [InlineData("mamba2-2.7b", 2.7e9)]
    public void A_preset_has_as_many_weights_as_its_name_says(string name, double expected)
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using MambaLanguageModel model = new(device, Presets.Find(name), random: null); // unset weights take no memory

        ((double)model.ParameterCount).Should().BeApproximately(expected, 0.04 * expected);
    }

    public void Dispose() => _folder.Dispose();
}
