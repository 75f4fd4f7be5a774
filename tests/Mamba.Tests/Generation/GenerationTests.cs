using System.Diagnostics;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Generation;

namespace Mamba.Tests.Generation;

/// <summary>Generation takes time in proportion to the text, and leaves nothing behind.</summary>
public sealed class GenerationTests
{
    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 16,
        Layers = [new MambaMixerOptions { ModelDim = 4, StateDim = 2 }],
    };

    [Fact]
    public async Task A_token_costs_the_same_after_a_long_text()
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        double shortText = double.MaxValue, longText = double.MaxValue;
        for (int i = 0; i < 3; i++)
        {
            shortText = Math.Min(shortText, await SecondsAfter(100));
            longText = Math.Min(longText, await SecondsAfter(150_000));
        }

        longText.Should().BeLessThan(4 * shortText, "a token does not read the text again");

        async Task<double> SecondsAfter(int promptLength)
        {
            int[] prompt = new int[promptLength];
            Stopwatch watch = new();
            await foreach (
                int token in model.GenerateAsync(prompt, new() { MaxTokens = 400, Sampling = SamplingOptions.Greedy }))
            {
                watch.Start(); // behind the prompt
            }

            return watch.Elapsed.TotalSeconds;
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1.3)]
    public async Task A_penalty_counts_every_token_of_prompt_and_text(double penalty)
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        GenerationOptions options =
            new() { MaxTokens = 40, Sampling = new() { Temperature = 0, RepetitionPenalty = penalty } };
        int[] prompt = [3, 1, 4, 1, 5];
        List<int> text = [.. prompt];
        using ModelState state = model.CreateState();
        float[] logits = new float[16];
        model.Prefill(prompt, state, logits);
        Sampler sampler = new(16, options.Sampling);
        for (int i = 0; i < 40; i++)
        {
            text.Add(sampler.Next(logits, text.ToArray()));
            model.Step([text[^1]], state, logits);
        }

        List<int> actual = [.. prompt];
        await foreach (int token in model.GenerateAsync(prompt, options))
        {
            actual.Add(token);
        }

        actual.Should().Equal(text);
    }

    [Fact]
    public async Task A_generator_that_is_dropped_gives_its_state_back()
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        await Drop(model, 3);
        long before = Collected(device);

        await Drop(model, 200);

        Collected(device).Should().Be(before);
    }

    private static async Task Drop(MambaLanguageModel model, int count)
    {
        for (int i = 0; i < count; i++)
        {
            IAsyncEnumerator<int> dropped = model.GenerateAsync(new[] { 1, 2 }).GetAsyncEnumerator();
            await dropped.MoveNextAsync();
        }
    }

    private static long Collected(Device device)
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        device.Scope().Dispose(); // frees what finalizers have left to do
        return device.AllocatedBytes;
    }
}
