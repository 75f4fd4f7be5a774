using Mamba.Server.Endpoints;
using Mamba.Server.Http;
using Mamba.Server.Sessions;
using Mamba.Server.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mamba.Server;

/// <summary>The endpoints of a server.</summary>
public static class MambaEndpoints
{
    /// <summary>
    /// Maps the interface of OpenAI (<c>/v1/chat/completions</c>, <c>/v1/completions</c>, <c>/v1/responses</c>,
    /// <c>/v1/embeddings</c>, <c>/v1/models</c>), <c>/v1/sessions</c>, <c>/health</c>, <c>/metrics</c> and the page
    /// <c>/</c>.
    /// </summary>
    /// <param name="endpoints">The application; <c>AddMamba</c> has registered the model.</param>
    /// <returns>The endpoints, for policies of the application.</returns>
    /// <exception cref="InvalidOperationException">No model is registered.</exception>
    /// <example>
    /// <code>
    /// using Microsoft.AspNetCore.Builder;
    ///
    /// WebApplicationBuilder builder = WebApplication.CreateBuilder();
    /// builder.Services.AddMamba("mamba-130m-hf", new() { ModelId = "mamba-130m" });
    /// WebApplication app = builder.Build();
    /// app.MapMamba();
    /// await app.RunAsync();
    /// </code>
    /// </example>
    public static IEndpointConventionBuilder MapMamba(this IEndpointRouteBuilder endpoints)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        IServiceProvider services = endpoints.ServiceProvider;
        ServerContext server = new(
            services.GetRequiredService<ServedModel>(),
            services.GetService<IHostApplicationLifetime>(),
            services.GetRequiredService<ILogger<ServedModel>>());
        SessionStore sessions = new(server.Served, services.GetRequiredService<ILogger<ServedModel>>());
        server.Served.Sessions = sessions;
        RouteGroupBuilder group = endpoints.MapGroup("");
        group.MapPost("/v1/chat/completions", server.Guard(new ChatEndpoint(server, sessions).HandleAsync));
        group.MapPost("/v1/completions", server.Guard(new CompletionEndpoint(server, sessions).HandleAsync));
        ResponseEndpoint responses = new(server);
        group.MapPost("/v1/responses", server.Guard(responses.HandleAsync));
        group.MapGet("/v1/responses/{id}", server.Guard(responses.GetAsync));
        group.MapDelete("/v1/responses/{id}", server.Guard(responses.DeleteAsync));
        group.MapPost("/v1/embeddings", server.Guard(new EmbeddingEndpoint(server).HandleAsync));
        SessionEndpoint session = new(server, sessions);
        group.MapGet("/v1/sessions", server.Guard(session.ListAsync));
        group.MapPost("/v1/sessions", server.Guard(session.CreateAsync));
        group.MapGet("/v1/sessions/{id}", server.Guard(session.GetAsync));
        group.MapDelete("/v1/sessions/{id}", server.Guard(session.DeleteAsync));
        group.MapPost("/v1/sessions/{id}/fork", server.Guard(session.ForkAsync));
        group.MapPost("/v1/sessions/{id}/rewind", server.Guard(session.RewindAsync));
        ModelsEndpoint models = new(server);
        group.MapGet("/v1/models", server.Guard(models.ListAsync));
        group.MapGet("/v1/models/{id}", server.Guard(models.GetAsync));
        group.MapGet("/metrics", server.Guard(server.Served.Metrics.HandleAsync));
        group.MapGet("/health", context => HealthAsync(context, server));
        group.MapFallback("/v1/{**path}", server.Guard((context, _) => throw ApiException.NotFound(
            $"Expected an address of this server; found {context.Request.Method} {context.Request.Path}.")));
        if (server.Options.HasPage)
        {
            group.MapGet("/", ChatPage.WriteAsync);
        }

        return group;
    }

    private static Task HealthAsync(HttpContext context, ServerContext server)
    {
        context.Response.StatusCode = server.IsStopping
            ? StatusCodes.Status503ServiceUnavailable
            : StatusCodes.Status200OK;
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync($"{{\"status\":\"{(server.IsStopping ? "stopping" : "ok")}\"}}");
    }
}
