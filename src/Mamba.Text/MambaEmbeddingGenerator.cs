using Mamba.Cpu;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Serving;
using Microsoft.Extensions.AI;

namespace Mamba.Text;

/// <summary>
/// Turns texts into vectors with a language model: the hidden states after the final norm, of all tokens or of the last
/// one.
/// </summary>
/// <remarks>
/// The vectors are not normalized; compare them by their cosine. They are computed on threads of the pool, so no caller
/// is blocked, one text after the other. On a GPU the model must not be used elsewhere at the same time.
/// </remarks>
/// <example>
/// <code>
/// using Microsoft.Extensions.AI;
///
/// using MambaEmbeddingGenerator generator = new(model, tokenizer);
/// ReadOnlyMemory&lt;float&gt; vector = await generator.GenerateVectorAsync("What is Mamba?");
/// </code>
/// </example>
public sealed class MambaEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private const int PieceLength = 2048; // as GenerationOptions.PrefillLength

    private readonly SemaphoreSlim _turn = new(1);
    private readonly MambaLanguageModel _model;
    private readonly TextTokenizer _tokenizer;
    private readonly EmbeddingPooling _pooling;
    private readonly EmbeddingGeneratorMetadata _metadata;

    /// <summary>Makes a generator.</summary>
    /// <param name="model">The model, which must outlive the generator.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="pooling">How one vector is made of those of a text's tokens.</param>
    /// <param name="modelId">The model's name in answers; null: none.</param>
    /// <exception cref="ArgumentException">The pooling is none of the known ones.</exception>
    public MambaEmbeddingGenerator(
        MambaLanguageModel model,
        TextTokenizer tokenizer,
        EmbeddingPooling pooling = EmbeddingPooling.Mean,
        string? modelId = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (pooling is not (EmbeddingPooling.Mean or EmbeddingPooling.LastToken))
        {
            throw new ArgumentException($"Expected Mean or LastToken; found {pooling}.", nameof(pooling));
        }

        _model = model;
        _tokenizer = tokenizer;
        _pooling = pooling;
        _metadata = new("mamba", defaultModelId: modelId, defaultModelDimensions: model.Config.ModelDim);
    }

    /// <summary>The engine that uses the model, too, on whose thread a GPU is used; null: none.</summary>
    internal MambaEngine? Engine { get; init; }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">An option is one that this generator does not have.</exception>
    /// <exception cref="ArgumentException">A text has no tokens.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values,
        EmbeddingGenerationOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        Refuse(options);
        GeneratedEmbeddings<Embedding<float>> all = [];
        long read = 0;
        foreach (string value in values)
        {
            int[] tokens = _tokenizer.Encode(value);
            float[] vector = await GenerateAsync(tokens, cancellationToken).ConfigureAwait(false);
            all.Add(new(vector) { ModelId = _metadata.DefaultModelId, CreatedAt = DateTimeOffset.UtcNow });
            read += tokens.Length;
        }

        all.Usage = new() { InputTokenCount = read, TotalTokenCount = read };
        return all;
    }

    /// <summary>The vector of a text whose tokens are known.</summary>
    internal async Task<float[]> GenerateAsync(int[] tokens, CancellationToken cancellation)
    {
        await _turn.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            float[] Work() => Embed(tokens, cancellation);
            return await (Engine is { } engine && _model.Device is not CpuDevice
                ? engine.RunAsync(Work)
                : Task.Run(Work, cancellation)).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>
    /// Gives the <see cref="EmbeddingGeneratorMetadata"/>, and what the generator is made of: itself,
    /// <see cref="MambaLanguageModel"/> and <see cref="TextTokenizer"/>.
    /// </summary>
    /// <param name="serviceType">The type of what is asked for.</param>
    /// <param name="serviceKey">Null; with a key there is nothing.</param>
    /// <returns>The object; null if there is none.</returns>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        object[] services = [this, _metadata, _model, _tokenizer];
        return serviceKey is null ? Array.Find(services, serviceType.IsInstanceOfType) : null;
    }

    /// <summary>Frees the lock of the generator; the model stays.</summary>
    public void Dispose() => _turn.Dispose();

    private float[] Embed(int[] tokens, CancellationToken cancellation)
    {
        if (tokens.Length == 0)
        {
            throw new ArgumentException("Expected texts of at least one token; found an empty one.");
        }

        bool isMean = _pooling == EmbeddingPooling.Mean;
        int width = _model.Config.ModelDim;
        double[] sums = new double[width];
        using ModelState state = _model.CreateState();
        for (int start = 0; start < tokens.Length; start += PieceLength)
        {
            cancellation.ThrowIfCancellationRequested();
            using DeviceScope scope = _model.Device.Scope();
            int[] piece = tokens[start..Math.Min(start + PieceLength, tokens.Length)];
            float[] hidden = _model.FinalNorm.Forward(_model.Hidden(_model.Embed(piece), state)).ToArray();
            if (!isMean)
            {
                hidden = hidden[^width..];
                Array.Clear(sums);
            }

            for (int i = 0; i < hidden.Length; i++)
            {
                sums[i % width] += hidden[i];
            }
        }

        return Array.ConvertAll(sums, sum => (float)(sum / (isMean ? tokens.Length : 1)));
    }

    private void Refuse(EmbeddingGenerationOptions? options)
    {
        (string Name, bool IsRefused, string Expected)[] all =
        [
            (
                nameof(options.Dimensions),
                options?.Dimensions is { } dimensions && dimensions != _model.Config.ModelDim,
                $"null or {_model.Config.ModelDim}"),
            (
                nameof(options.ModelId), options?.ModelId is { } model && model != _metadata.DefaultModelId,
                $"null or \"{_metadata.DefaultModelId}\""),
            (nameof(options.RawRepresentationFactory), options?.RawRepresentationFactory is not null, "null"),
            (nameof(options.AdditionalProperties), options?.AdditionalProperties is { Count: > 0 }, "none"),
        ];
        foreach ((string name, bool isRefused, string expected) in all)
        {
            if (isRefused)
            {
                throw new NotSupportedException($"{name} is not supported: expected {expected}; found another value.");
            }
        }
    }
}
