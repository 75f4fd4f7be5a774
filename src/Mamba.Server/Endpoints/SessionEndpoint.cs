using Mamba.Server.Http;
using Mamba.Server.Sessions;
using Mamba.Server.Wire;
using Microsoft.AspNetCore.Http;

namespace Mamba.Server.Endpoints;

/// <summary><c>/v1/sessions</c>: makes, lists, forks, rewinds and deletes sessions.</summary>
internal sealed class SessionEndpoint(ServerContext server, SessionStore sessions)
{
    public Task ListAsync(HttpContext context, CancellationTokenSource ending) => JsonBody.WriteAsync(
        context, new("list", [.. sessions.All.Select(session => ItemOf(session))]), WireJson.Default.SessionList,
        ending.Token);

    public async Task CreateAsync(HttpContext context, CancellationTokenSource ending)
    {
        SessionRequest request = await ReadAsync(context, ending).ConfigureAwait(false);
        await WriteAsync(context, sessions.Create(request.Id), ending).ConfigureAwait(false);
    }

    public Task GetAsync(HttpContext context, CancellationTokenSource ending)
    {
        Session session = Of(context);
        return JsonBody.WriteAsync(
            context, ItemOf(session) with { Messages = [.. session.Messages] }, WireJson.Default.SessionItem,
            ending.Token);
    }

    public async Task ForkAsync(HttpContext context, CancellationTokenSource ending)
    {
        SessionRequest request = await ReadAsync(context, ending).ConfigureAwait(false);
        Session fork = await sessions.ForkAsync(Of(context), request.Id).ConfigureAwait(false);
        await WriteAsync(context, fork, ending).ConfigureAwait(false);
    }

    public async Task RewindAsync(HttpContext context, CancellationTokenSource ending)
    {
        RewindRequest request = await JsonBody.ReadAsync(
            context, WireJson.Default.RewindRequest, server.Options.MaxBodyBytes, ending.Token).ConfigureAwait(false);
        server.RequireModel(request.Model);
        Session session = Of(context);
        await sessions.RewindAsync(session, request.Turns ?? 1).ConfigureAwait(false);
        await WriteAsync(context, session, ending).ConfigureAwait(false);
    }

    public async Task DeleteAsync(HttpContext context, CancellationTokenSource ending)
    {
        Session session = Of(context);
        await sessions.DeleteAsync(session).ConfigureAwait(false);
        await JsonBody.WriteAsync(
            context, new(session.Id, "session", true), WireJson.Default.DeletedItem, ending.Token)
            .ConfigureAwait(false);
    }

    private static SessionItem ItemOf(Session session) => new(session.Id, session.Created.ToUnixTimeSeconds())
    {
        Kind = session.Kind,
        Turns = session.Turns.Count,
        StateTokens = session.Size.Tokens,
        StateBytes = session.Size.Bytes,
        IsBusy = session.IsBusy,
    };

    private static Task WriteAsync(HttpContext context, Session session, CancellationTokenSource ending) =>
        JsonBody.WriteAsync(context, ItemOf(session), WireJson.Default.SessionItem, ending.Token);

    private Session Of(HttpContext context) => sessions.Find((string)context.Request.RouteValues["id"]!);

    private async Task<SessionRequest> ReadAsync(HttpContext context, CancellationTokenSource ending)
    {
        SessionRequest request = await JsonBody.ReadAsync(
            context, WireJson.Default.SessionRequest, server.Options.MaxBodyBytes, ending.Token).ConfigureAwait(false);
        server.RequireModel(request.Model);
        return request;
    }
}
