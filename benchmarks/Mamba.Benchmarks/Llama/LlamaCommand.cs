using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Models.Gguf;

namespace Mamba.Benchmarks.Llama;

/// <summary>
/// Measures llama.cpp and this library on the same GGUF files, in turns, and prints the medians as a Markdown table.
/// The models have the shapes of mamba-130m and mamba2-130m and random weights.
/// </summary>
internal static class LlamaCommand
{
    private const string Usage = "Usage: llama FOLDER [PROMPT [TOKENS [ROUNDS]]]   (FOLDER: that of eng/llama.sh)";
    private const int Vocabulary = 50277, Threads = 2, WarmUpTokens = 16;

    private static readonly GgufType[] _types = [GgufType.F32, GgufType.BF16, GgufType.Q8_0, GgufType.Q4_K];

    public static int Run(string[] options)
    {
        if (options.Length is < 1 or > 4 || !Directory.Exists(Path.Combine(options[0], "node_modules")))
        {
            Console.Error.WriteLine(Usage);
            return 2;
        }

        int[] numbers = [.. options[1..].Select(text => int.Parse(text, CultureInfo.InvariantCulture))];
        (int prompt, int tokens, int rounds) = (
            numbers.ElementAtOrDefault(0) is > 0 and int given ? given : 512,
            numbers.ElementAtOrDefault(1) is > 0 and int written ? written : 64,
            numbers.ElementAtOrDefault(2) is > 0 and int times ? times : 3);
        Console.WriteLine(
            $"{Threads} threads, {prompt} and {tokens} tokens, medians of {rounds} rounds in turns, tokens/s\n");
        Console.WriteLine("| model | prefill, llama.cpp | ours | ratio | decode, llama.cpp | ours | ratio |");
        Console.WriteLine("|---|--:|--:|--:|--:|--:|--:|");
        string folder = Directory.CreateTempSubdirectory("mamba-llama-").FullName;
        try
        {
            foreach ((string name, LanguageModelConfig config) in new[]
            {
                ("mamba-130m", LanguageModelConfig.Mamba1(768, 24, Vocabulary)),
                ("mamba2-130m", LanguageModelConfig.Mamba2(768, 24, Vocabulary)),
            })
            {
                foreach (GgufType type in _types)
                {
                    string path = Path.Combine(folder, $"{name}-{type}.gguf");
                    Write(config, type, path);
                    Print($"{name}, {type}", options[0], path, prompt, tokens, rounds);
                    File.Delete(path);
                }
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        return 0;
    }

    private static void Write(LanguageModelConfig config, GgufType type, string path)
    {
        using CpuDevice device = new(Threads);
        using MambaLanguageModel model = new(device, config, new System.Random(1));
        model.SaveGguf(path, type, new GgufTokenizer
        {
            Model = "gpt2",
            Pre = "olmo",
            Tokens = [.. Enumerable.Range(0, Vocabulary).Select(i => $"t{i}")],
            TokenTypes = [.. Enumerable.Repeat(1, Vocabulary)],
            Merges = ["t 1", "t 2"],
            BeginOfText = 0,
            EndOfText = 0,
        });
    }

    private static void Print(string name, string folder, string path, int prompt, int tokens, int rounds)
    {
        List<Speed> theirs = [], ours = [];
        for (int round = 0; round < rounds; round++)
        {
            theirs.Add(Theirs(folder, path, prompt, tokens));
            ours.Add(Ours(path, prompt, tokens));
        }

        (Speed other, Speed own) = (Median(theirs), Median(ours));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {name} | {other.Prefill:0} | {own.Prefill:0} | {own.Prefill / other.Prefill:0.00} " +
            $"| {other.Decode:0.0} | {own.Decode:0.0} | {own.Decode / other.Decode:0.00} |"));
    }

    private static Speed Theirs(string folder, string path, int prompt, int tokens)
    {
        string script = Path.Combine(AppContext.BaseDirectory, "llama-speed.mjs");
        ProcessStartInfo start = new("node", [script, folder, path, $"{Threads}", $"{prompt}", $"{tokens}"])
        {
            RedirectStandardOutput = true,
        };
        using Process process = Process.Start(start)!;
        string json = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        JsonElement speed = JsonElement.Parse(json);
        return new(speed.GetProperty("prefill").GetDouble(), speed.GetProperty("decode").GetDouble());
    }

    private static Speed Ours(string path, int prompt, int tokens)
    {
        using CpuDevice device = new(Threads);
        using MambaLanguageModel model = MambaLanguageModel.Load(path, device);
        int[] ids = [.. Enumerable.Range(0, prompt).Select(i => (i * 31 % 1000) + 10)];
        float[] logits = new float[model.Config.PaddedVocabularySize];
        using (ModelState warm = model.CreateState())
        {
            model.Prefill(ids.AsSpan(0, WarmUpTokens), warm, logits);
            model.Step([11], warm, logits);
        }

        using ModelState state = model.CreateState();
        long start = Stopwatch.GetTimestamp();
        model.Prefill(ids, state, logits);
        double read = prompt / Stopwatch.GetElapsedTime(start).TotalSeconds;
        Likeliest[] likeliest = new Likeliest[1];
        int[] next = [11];
        model.Step(next, state, likeliest);
        start = Stopwatch.GetTimestamp();
        for (int i = 0; i < tokens; i++)
        {
            next[0] = likeliest[0].Checked();
            model.Step(next, state, likeliest);
        }

        return new(read, tokens / Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    private static Speed Median(List<Speed> all) => new(
        all.Select(one => one.Prefill).Order().ElementAt(all.Count / 2),
        all.Select(one => one.Decode).Order().ElementAt(all.Count / 2));

    /// <summary>Tokens per second.</summary>
    private readonly record struct Speed(double Prefill, double Decode);
}
