using System.Text.Json;
using Mamba.Cpu;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Gguf;
using Mamba.Tests.Checkpoints;
using Mamba.Tests.Gguf;

namespace Mamba.Tests.Cli;

/// <summary><c>mamba inspect</c>, <c>convert</c> and <c>quantize</c>.</summary>
public sealed class ModelFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_model_goes_from_a_folder_to_a_quantized_file_and_back()
    {
        Save("mamba2", folder: _folder["hf"]);

        await Succeed("convert", _folder["hf"], _folder["f32.gguf"]);
        await Succeed("quantize", _folder["f32.gguf"], _folder["q4.gguf"], "Q4_K");
        string output = await Succeed("convert", _folder["q4.gguf"], _folder["back"], "--type", "bf16");
        string report = await Succeed("quantize", _folder["f32.gguf"], _folder["q8.gguf"], "q8_0", "--json");

        JsonElement written = JsonElement.Parse(report);
        written.GetProperty("path").GetString().Should().Be(_folder["q8.gguf"]);
        written.GetProperty("parameters").GetInt64().Should().BePositive();
        written.GetProperty("bytes").GetInt64().Should().BeInRange(1, new FileInfo(_folder["q8.gguf"]).Length);
        output.Should().StartWith(_folder["back"]).And.Contain("parameters").And.EndWith("B\n");
        using CpuDevice device = new(1);
        using MambaLanguageModel narrow = MambaLanguageModel.Load(_folder["q4.gguf"], device);
        using MambaLanguageModel wide = MambaLanguageModel.Load(_folder["back"], device, precision: Precision.BFloat16);
        narrow.Embedding.Weight.Value.Precision.Should().Be(Precision.Q4K);
        wide.Embedding.Weight.Value.ToArray().ShouldBeClose(narrow.Embedding.Weight.Value.ToArray(), 1e-2);
    }

    [Fact]
    public async Task A_file_is_shown_as_text_and_as_JSON()
    {
        Save("mamba", file: _folder["m.gguf"]);

        string text = await Succeed("inspect", _folder["m.gguf"], "--tensors");
        string json = await Succeed("inspect", _folder["m.gguf"], "--json");

        text.Should().Contain("m.gguf: gguf, ").And.Contain("mamba.ssm.state_size").And.Contain("memory by type")
            .And.Contain("blk.1.ssm_in.weight").And.Contain("Q6_K [1024, 256]");
        JsonElement report = JsonDocument.Parse(json).RootElement;
        report.GetProperty("format").GetString().Should().Be("gguf");
        report.GetProperty("types")[0].GetProperty("type").GetString().Should().Be("Q6_K");
        report.GetProperty("tensors").GetArrayLength().Should().Be(22);
        report.GetProperty("bytes").GetInt64().Should().BeLessThan(new FileInfo(_folder["m.gguf"]).Length);
    }

    [Fact]
    public async Task A_folder_is_shown_with_its_configuration()
    {
        Save("mamba2", folder: _folder["hf"]);

        string text = await Succeed("inspect", _folder["hf"]);

        text.Should().Contain("hf: safetensors, ").And.Contain("model_type").And.Contain("\"mamba2\"")
            .And.Contain("F32").And.NotContain("tensors\n  backbone");
    }

    [Theory]
    [InlineData("mamba quantize: type: expected f32, f16, *; found \"q9\".", "quantize", "m.gguf", "x.gguf", "q9")]
    [InlineData("mamba quantize: target: expected a file that ends in .gguf; found \"x\".", "quantize", "m", "x",
        "q4_0")]
    [InlineData("mamba convert: --type: expected f32, f16 or bf16 for a folder; found \"q8_0\".*", "convert", "m", "x",
        "--type", "q8_0")]
    [InlineData("mamba inspect: nowhere: the folder does not exist.*", "inspect", "nowhere")]
    [InlineData("mamba convert: nowhere.gguf: the folder does not exist.*", "convert", "nowhere.gguf", "x")]
    public async Task What_is_wrong_is_one_line(string message, params string[] arguments)
    {
        (int code, string output, string error) = await ToolProcess.RunAsync(arguments);

        code.Should().Be(1);
        output.Should().BeEmpty();
        error.Trim().Should().Match(message);
    }

    private static void Save(string name, string? file = null, string? folder = null)
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = GgufModels.Create(device, GgufModels.Configs[name]);
        if (file is not null)
        {
            model.SaveGguf(file, GgufType.Q6_K, GgufModels.Tokenizer(11));
        }

        if (folder is not null)
        {
            model.Save(folder);
        }
    }

    private static async Task<string> Succeed(params string[] arguments)
    {
        (int code, string output, string error) = await ToolProcess.RunAsync(arguments);
        code.Should().Be(0, error);
        return output;
    }
}
