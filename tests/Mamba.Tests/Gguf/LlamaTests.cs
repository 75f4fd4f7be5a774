using System.Diagnostics;
using System.Text.Json;
using Mamba.Cpu;
using Mamba.Models;
using Mamba.Models.Gguf;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Gguf;

/// <summary>
/// llama.cpp loads our files and computes our logits. It runs by node and the prebuilt library of the npm package
/// node-llama-cpp, which <c>eng/llama.sh</c> installs; MAMBA_LLAMA names its folder.
/// </summary>
/// <remarks>
/// llama.cpp rounds activations as well as weights: to the type of the weights, or to 8-bit integers. So its logits are
/// ours, in float32, if the file is float32; otherwise they differ by what rounded activations do. A file of another
/// type, widened to float32 by us, must again give ours.
/// </remarks>
public sealed class LlamaTests(ITestOutputHelper output)
{
    /// <summary>Bound of the root mean square of differences, relative to that of logits, without rounding.</summary>
    private const double Float32Bound = 5e-6;

    /// <summary>Bounds with llama.cpp's rounding of activations: three times and more what was measured.</summary>
    private static readonly Dictionary<GgufType, double> _bounds = new()
    {
        [GgufType.F32] = Float32Bound, [GgufType.F16] = 2e-3, [GgufType.BF16] = 1.5e-2, [GgufType.Q8_0] = 0.06,
        [GgufType.Q4_0] = 0.06, [GgufType.Q4_K] = 0.1, [GgufType.Q5_K] = 0.1, [GgufType.Q6_K] = 0.1,
    };

    private static readonly string? Folder = Environment.GetEnvironmentVariable("MAMBA_LLAMA");

    public static TheoryData<string> Names => [.. GgufModels.Configs.Keys, .. GgufModels.Hybrids.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void It_computes_our_logits(string name)
    {
        Assert.SkipUnless(Folder is not null, "This needs node-llama-cpp: run eng/llama.sh.");
        using TemporaryFolder folder = new(inMemory: true);
        using CpuDevice device = TestDevice.Cpu(2);
        LanguageModelConfig config = GgufModels.Configs.GetValueOrDefault(name) ?? GgufModels.Hybrids[name];
        using MambaLanguageModel model = GgufModels.Create(device, config, noise: 0.02);
        List<float[]> ours = [];
        foreach (GgufType type in _bounds.Keys)
        {
            model.SaveGguf(folder[$"{type}.gguf"], type, GgufModels.Tokenizer(11));
            using MambaLanguageModel loaded = MambaLanguageModel.Load(folder[$"{type}.gguf"], device);
            loaded.SaveGguf(folder[$"{type}-wide.gguf"]);
            ours.Add(GgufModels.Logits(loaded));
        }

        string[] names = [.. _bounds.Keys.SelectMany(type => (string[])[$"{type}.gguf", $"{type}-wide.gguf"])];
        float[][] theirs = Logits(Array.ConvertAll(names, file => folder[file]));

        foreach ((GgufType type, int i) in _bounds.Keys.Select((type, i) => (type, i)))
        {
            double error = Error(theirs[2 * i], ours[i]), wide = Error(theirs[(2 * i) + 1], ours[i]);
            output.WriteLine($"{type}: {error:e1}, widened {wide:e1}");
            error.Should().BeLessThan(_bounds[type], $"{type}");
            wide.Should().BeLessThan(Float32Bound, $"{type}, widened");
        }
    }

    private static double Error(float[] actual, float[] expected) => Math.Sqrt(
        actual.Zip(expected, (a, b) => Math.Pow(a - b, 2)).Sum() / expected.Sum(value => (double)value * value));

    private static float[][] Logits(string[] files)
    {
        string script = Path.Combine(AppContext.BaseDirectory, "Gguf", "llama-logits.mjs");
        ProcessStartInfo start = new("node", [script, Folder!, string.Join(',', GgufModels.Ids), .. files])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string json = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        process.ExitCode.Should().Be(0, errors.Result);
        return Array.ConvertAll(
            JsonSerializer.Deserialize<float[][][]>(json)!, file => file.SelectMany(row => row).ToArray());
    }
}
