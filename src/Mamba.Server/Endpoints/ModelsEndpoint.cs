using Mamba.Server.Http;
using Mamba.Server.Wire;
using Microsoft.AspNetCore.Http;

namespace Mamba.Server.Endpoints;

/// <summary><c>GET /v1/models</c>: what is served.</summary>
internal sealed class ModelsEndpoint(ServerContext server)
{
    public Task ListAsync(HttpContext context, CancellationTokenSource ending) => JsonBody.WriteAsync(
        context, new("list", [Item]), WireJson.Default.ModelList, ending.Token);

    public Task GetAsync(HttpContext context, CancellationTokenSource ending)
    {
        server.RequireModel((string?)context.Request.RouteValues["id"]);
        return JsonBody.WriteAsync(context, Item, WireJson.Default.ModelItem, ending.Token);
    }

    private ModelItem Item => new(
        server.Options.ModelId, "model", server.Served.Created.ToUnixTimeSeconds(), "mamba")
    {
        HasChatTemplate = server.Served.Chat is not null,
        MaxPromptTokens = server.Options.MaxPromptTokens,
    };
}
