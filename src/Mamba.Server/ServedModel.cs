using Mamba.Models;
using Mamba.Models.Serving;
using Mamba.Server.Endpoints;
using Mamba.Server.Sessions;
using Mamba.Text;
using Microsoft.Extensions.AI;

namespace Mamba.Server;

/// <summary>A model that a server answers with: its engine, its tokenizer and what is made of them.</summary>
/// <example>
/// <code>
/// using Microsoft.AspNetCore.Builder;
/// using Microsoft.Extensions.DependencyInjection;
///
/// WebApplicationBuilder builder = WebApplication.CreateBuilder();
/// builder.Services.AddMamba(model, tokenizer);
/// WebApplication app = builder.Build();
/// MambaEngine engine = app.Services.GetRequiredService&lt;ServedModel>().Engine;
/// </code>
/// </example>
public sealed class ServedModel : IAsyncDisposable
{
    /// <summary>Starts an engine for a model.</summary>
    /// <param name="model">The model, which must outlive this object.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="options">Limits; null for the defaults.</param>
    /// <param name="template">The template of conversations; null: that of the tokenizer, if it has one.</param>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    /// <exception cref="InvalidDataException">The tokenizer's template is damaged.</exception>
    /// <exception cref="NotSupportedException">
    /// The tokenizer's template uses what this library does not have, or the model reads texts in both directions.
    /// </exception>
    public ServedModel(
        MambaLanguageModel model,
        TextTokenizer tokenizer,
        MambaServerOptions? options = null,
        ChatTemplate? template = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        Options = options ?? new();
        Options.Validate();
        Tokenizer = tokenizer;
        template ??= tokenizer.ChatTemplate is { } source ? Mamba.Text.ChatTemplate.Parse(source) : null;
        Engine = new(model, Options.Engine with { MaxPromptTokens = Options.MaxPromptTokens });
        Chat = template is null
            ? null
            : new(Engine, tokenizer, template, Options.ModelId) { Defaults = Options.Defaults };
        Metrics = new(Engine);
        Embeddings = new(model, tokenizer, modelId: Options.ModelId) { Engine = Engine };
    }

    /// <summary>The limits.</summary>
    public MambaServerOptions Options { get; }

    /// <summary>The engine, in which all answers are generated together.</summary>
    public MambaEngine Engine { get; }

    /// <summary>The tokenizer.</summary>
    public TextTokenizer Tokenizer { get; }

    /// <summary>Answers conversations; null if the model has no chat template.</summary>
    public MambaChatClient? Chat { get; }

    /// <summary>Makes vectors of texts.</summary>
    public MambaEmbeddingGenerator Embeddings { get; }

    internal PrometheusMetrics Metrics { get; }

    /// <summary>The sessions of the endpoints; null: there are no endpoints.</summary>
    internal SessionStore? Sessions { get; set; }

    internal DateTimeOffset Created { get; } = DateTimeOffset.UtcNow;

    /// <summary>Ends all requests, and frees the engine; the model stays.</summary>
    /// <returns>Completes when the engine has ended.</returns>
    public async ValueTask DisposeAsync()
    {
        Chat?.Dispose();
        await Engine.DisposeAsync().ConfigureAwait(false);
        Sessions?.Dispose();
        Embeddings.Dispose();
        Metrics.Dispose();
    }
}
