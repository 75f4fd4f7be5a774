using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Text;
using Microsoft.Extensions.AI;

namespace Mamba.Tests.Text;

/// <summary>Vectors of texts are those of the hidden states.</summary>
public sealed class MambaEmbeddingGeneratorTests : IDisposable
{
    private const int Width = 16;

    private static readonly TextTokenizer Tokenizer = new ByteTokenizer();

    private readonly CpuDevice _device = new(2);
    private readonly MambaLanguageModel _model;

    public MambaEmbeddingGeneratorTests() => _model = new(
        _device,
        new() { VocabularySize = 256, Layers = [new MambaMixerOptions { ModelDim = Width, StateDim = 4 }] },
        new Random(1));

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
    }

    [Theory]
    [InlineData(EmbeddingPooling.Mean)]
    [InlineData(EmbeddingPooling.LastToken)]
    public async Task A_vector_is_the_mean_or_the_last_of_the_hidden_states(EmbeddingPooling pooling)
    {
        string[] texts = ["Hello", new('x', 5000)]; // one is read in three pieces
        using MambaEmbeddingGenerator generator = new(_model, Tokenizer, pooling, "tiny");

        GeneratedEmbeddings<Embedding<float>> found = await generator.GenerateAsync(texts);

        found.Should().HaveCount(2);
        found.Usage!.InputTokenCount.Should().Be(5005);
        for (int i = 0; i < texts.Length; i++)
        {
            found[i].Vector.ToArray().ShouldBeClose(Expected(texts[i], pooling), 1e-10);
            found[i].ModelId.Should().Be("tiny");
        }
    }

    [Fact]
    public async Task Calls_at_once_give_the_same_vectors()
    {
        using MambaEmbeddingGenerator generator = new(_model, Tokenizer);
        float[] alone = (await generator.GenerateVectorAsync("Hello")).ToArray();

        ReadOnlyMemory<float>[] together = await Task.WhenAll(
            Enumerable.Range(0, 8).Select(_ => Task.Run(() => generator.GenerateVectorAsync("Hello"))));

        together.Should().OnlyContain(vector => vector.ToArray().SequenceEqual(alone));
    }

    [Fact]
    public async Task What_it_does_not_have_is_refused_by_name()
    {
        using MambaEmbeddingGenerator generator = new(_model, Tokenizer);
        (EmbeddingGenerationOptions Options, string Name)[] refused =
        [
            (new() { Dimensions = 8 }, "Dimensions"), (new() { ModelId = "other" }, "ModelId"),
            (new() { RawRepresentationFactory = _ => 1 }, "RawRepresentationFactory"),
            (new() { AdditionalProperties = new() { ["a"] = 1 } }, "AdditionalProperties"),
        ];
        foreach ((EmbeddingGenerationOptions options, string name) in refused)
        {
            await generator.Awaiting(one => one.GenerateAsync(["a"], options))
                .Should().ThrowAsync<NotSupportedException>().WithMessage($"{name} is not supported: expected *");
        }

        await generator.Awaiting(one => one.GenerateAsync([""])).Should().ThrowAsync<ArgumentException>();
        (await generator.GenerateAsync(["a"], new() { Dimensions = Width })).Should().ContainSingle();
        IEmbeddingGenerator<string, Embedding<float>> asked = generator;
        asked.GetService<EmbeddingGeneratorMetadata>()!.DefaultModelDimensions.Should().Be(Width);
        asked.GetService<MambaLanguageModel>().Should().BeSameAs(_model);
    }

    /// <summary>The hidden states in one piece, pooled in double precision.</summary>
    private float[] Expected(string text, EmbeddingPooling pooling)
    {
        int[] ids = Tokenizer.Encode(text);
        using DeviceScope scope = _device.Scope();
        float[] hidden = _model.FinalNorm.Forward(_model.Hidden(_model.Embed(ids))).ToArray();
        double[] sums = new double[Width];
        for (int i = 0; i < hidden.Length; i++)
        {
            sums[i % Width] += hidden[i];
        }

        return pooling == EmbeddingPooling.LastToken
            ? hidden[^Width..]
            : [.. sums.Select(sum => (float)(sum / ids.Length))];
    }
}
