using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Serving;
using Mamba.Text;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Mamba.Server;

/// <summary>Registers a model for dependency injection.</summary>
public static class MambaServices
{
    private const int Bytes = 256;

    /// <summary>
    /// Registers a model that is loaded when it is first needed: <see cref="ServedModel"/>, <see cref="MambaEngine"/>,
    /// <see cref="IChatClient"/> and <c>IEmbeddingGenerator&lt;string, Embedding&lt;float&gt;&gt;</c>.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="path">
    /// A folder with the model and its tokenizer, a GGUF file, or a name on the hub, such as org/name, which is
    /// downloaded if the cache lacks it: see <see cref="ModelHub.DownloadAsync"/>.
    /// </param>
    /// <param name="options">Limits; null for the defaults.</param>
    /// <param name="weights">Precision of the matrices in memory; null: as the files have them.</param>
    /// <param name="device">The device, which must outlive the services; null: a CPU device of their own.</param>
    /// <param name="hub">Where names are downloaded from; null: as the environment says.</param>
    /// <returns>The services.</returns>
    /// <remarks>Dispose of the provider asynchronously, as hosts do: the engine ends so.</remarks>
    public static IServiceCollection AddMamba(
        this IServiceCollection services,
        string path,
        MambaServerOptions? options = null,
        Precision? weights = null,
        Device? device = null,
        ModelHubOptions? hub = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(path);
        options?.Validate();
        services.TryAddSingleton(_ => new LoadedModel(path, weights, device, hub));
        services.TryAddSingleton(provider =>
        {
            LoadedModel loaded = provider.GetRequiredService<LoadedModel>();
            return new ServedModel(loaded.Model, loaded.Tokenizer, options);
        });
        return AddParts(services);
    }

    /// <summary>Registers a model that has been loaded, which the caller disposes after the services.</summary>
    /// <param name="services">The services.</param>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="options">Limits; null for the defaults.</param>
    /// <param name="template">The template of conversations; null: that of the tokenizer, if it has one.</param>
    /// <returns>The services.</returns>
    /// <remarks>Dispose of the provider asynchronously, as hosts do: the engine ends so.</remarks>
    public static IServiceCollection AddMamba(
        this IServiceCollection services,
        MambaLanguageModel model,
        TextTokenizer tokenizer,
        MambaServerOptions? options = null,
        ChatTemplate? template = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        options?.Validate();
        services.TryAddSingleton(_ => new ServedModel(model, tokenizer, options, template));
        return AddParts(services);
    }

    private static IServiceCollection AddParts(IServiceCollection services)
    {
        services.TryAddSingleton(provider => provider.GetRequiredService<ServedModel>().Engine);
        services.TryAddSingleton<IChatClient>(provider => provider.GetRequiredService<ServedModel>().Chat
            ?? throw new InvalidOperationException(
                "Expected a model with a chat template; found one without. Give AddMamba a template."));
        services.TryAddSingleton<IEmbeddingGenerator<string, Embedding<float>>>(
            provider => provider.GetRequiredService<ServedModel>().Embeddings);
        return services;
    }

    /// <summary>A model that the services own.</summary>
    private sealed class LoadedModel : IDisposable
    {
        private readonly Device? _own;

        public LoadedModel(string path, Precision? weights, Device? device, ModelHubOptions? options)
        {
            if (!Path.Exists(path) && ModelHub.IsName(path))
            {
                using ModelHub hub = new(options);
                path = Task.Run(() => hub.DownloadAsync(path)).GetAwaiter().GetResult(); // the container cannot wait
            }

            _own = device is null ? new CpuDevice() : null;
            try
            {
                Model = MambaLanguageModel.Load(path, device ?? _own!, precision: weights);
                Tokenizer = TokenizerOf(path, Model);
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public MambaLanguageModel Model { get; } = null!;

        public TextTokenizer Tokenizer { get; } = null!;

        public void Dispose()
        {
            Model?.Dispose();
            _own?.Dispose();
        }

        private static TextTokenizer TokenizerOf(string path, MambaLanguageModel model)
        {
            try
            {
                return TextTokenizer.Load(path);
            }
            catch (FileNotFoundException) when (model.Config.VocabularySize == Bytes)
            {
                return new ByteTokenizer(); // such as mamba train makes
            }
        }
    }
}
