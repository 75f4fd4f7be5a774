using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Mamba.Server;

namespace Mamba.Tests.Server;

/// <summary>Many requests at once, and clients that go away: none is lost, and each slot is free again.</summary>
public sealed class ServerLoadTests
{
    private const string Chat = "/v1/chat/completions";

    [Fact]
    public async Task Each_of_64_requests_at_once_has_the_text_that_it_has_alone()
    {
        await using ServerHost host = await ServerHost.StartAsync(new() { Engine = new() { Slots = 8 } });
        string[] requests =
        [
            .. Enumerable.Range(0, 64).Select(i => $$"""
                {"messages":[{"role":"user","content":"{{new string((char)('a' + (i % 26)), 1 + (i * 7 % 90))}}"}],
                 "temperature":{{i % 2}},"seed":{{i}},"max_tokens":{{1 + (i * 11 % 60)}}}
                """),
        ];

        JsonElement[] together = await Task.WhenAll(requests.Select(async request =>
            (await host.PostAsync(Chat, request)).Answer));

        for (int i = 0; i < requests.Length; i++)
        {
            (_, JsonElement alone) = await host.PostAsync(Chat, requests[i]);
            TextOf(together[i]).Should().Be(TextOf(alone), "request {0}", i);
            together[i].GetProperty("usage").GetProperty("completion_tokens").GetInt32().Should().Be(1 + (i * 11 % 60));
        }

        host.Served.Engine.Statistics.Finished.Should().Be(128);
        host.Served.Engine.Statistics.Active.Should().Be(0);
    }

    [Fact]
    public async Task Too_many_requests_are_told_when_to_try_again()
    {
        await using ServerHost host = await ServerHost.StartAsync(
            new() { Engine = new() { Slots = 1, QueueLength = 1 }, MaxTokens = 1_000_000 });
        using CancellationTokenSource source = new();
        Task[] endless = [.. Enumerable.Range(0, 2).Select(_ => host.Client.PostAsync(
            Chat, ServerHost.Json("""{"messages":[{"role":"user","content":"a"}],"max_tokens":1000000}"""),
            source.Token))];
        await UntilAsync(() => host.Served.Engine.Statistics is { Active: 1, Waiting: 1 });

        using HttpResponseMessage refused = await host.Client.PostAsync(
            Chat, ServerHost.Json("""{"messages":[{"role":"user","content":"a"}],"stream":true}"""));

        refused.StatusCode.Should().Be(HttpStatusCode.TooManyRequests);
        refused.Headers.RetryAfter!.Delta.Should().Be(TimeSpan.FromSeconds(2));
        JsonElement.Parse(await refused.Content.ReadAsStringAsync()).GetProperty("error").GetProperty("code")
            .GetString().Should().Be("queue_full");
        await source.CancelAsync();
        await UntilAsync(() => host.Served.Engine.Statistics is { Active: 0, Waiting: 0 });
        await Task.WhenAll(endless).ContinueWith(_ => { }, TaskScheduler.Default);
    }

    [Fact]
    public async Task A_client_that_goes_away_or_stops_reading_frees_its_slot()
    {
        await using ServerHost host = await ServerHost.StartAsync(
            new()
            {
                Engine = new() { Slots = 2 }, MaxTokens = 10_000_000, WriteTimeout = TimeSpan.FromSeconds(1),
            },
            sendBuffer: 4096);
        byte[] request = Request("""
            {"messages":[{"role":"user","content":"a"}],"max_tokens":10000000,"stream":true}
            """);
        using (TcpClient gone = await ConnectAsync(host, request))
        {
            (await gone.GetStream().ReadAsync(new byte[100])).Should().BePositive();
        }

        await UntilAsync(() => host.Served.Engine.Statistics is { Active: 0, Finished: 1 });
        using TcpClient silent = await ConnectAsync(host, request);
        await UntilAsync(() => host.Served.Engine.Statistics.Active == 1);
        await UntilAsync(() => host.Served.Engine.Statistics is { Active: 0, Finished: 2 });

        (HttpStatusCode status, _) = await host.PostAsync(
            Chat, """{"messages":[{"role":"user","content":"a"}],"max_tokens":5}""");
        status.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_request_that_takes_too_long_ends()
    {
        await using ServerHost host = await ServerHost.StartAsync(
            new() { MaxTokens = 10_000_000, RequestTimeout = TimeSpan.FromSeconds(1) });
        const string Request = """{"messages":[{"role":"user","content":"a"}],"max_tokens":10000000%}""";

        (HttpStatusCode status, JsonElement answer) = await host.PostAsync(Chat, Request.Replace("%", ""));
        List<(string? Name, string Data)> events = await host.StreamAsync(
            Chat, Request.Replace("%", ""","stream":true"""));

        status.Should().Be(HttpStatusCode.GatewayTimeout);
        answer.GetProperty("error").GetProperty("code").GetString().Should().Be("timeout");
        JsonElement.Parse(events[^1].Data).GetProperty("error").GetProperty("code").GetString().Should().Be("timeout");
        events.Should().HaveCountGreaterThan(3);
        await UntilAsync(() => host.Served.Engine.Statistics.Active == 0);
    }

    [Fact]
    public async Task A_server_that_stops_finishes_running_answers_and_takes_no_more()
    {
        await using ServerHost host = await ServerHost.StartAsync(new() { MaxTokens = 100_000 });
        Task<List<(string? Name, string Data)>> running = host.StreamAsync(
            Chat, """{"messages":[{"role":"user","content":"a"}],"max_tokens":3000,"stream":true}""");
        await UntilAsync(() => host.Served.Engine.Statistics.GeneratedTokens > 10);

        Task stopping = host.StopAsync(TimeSpan.FromSeconds(50));
        List<(string? Name, string Data)> events = await running;
        await stopping;

        events[^1].Data.Should().Be("[DONE]");
        host.Served.Engine.Statistics.GeneratedTokens.Should().Be(3000);
        await FluentActions.Awaiting(() => host.Client.GetAsync("/health")).Should().ThrowAsync<HttpRequestException>();
    }

    [Fact]
    public async Task A_server_that_stops_ends_answers_that_take_too_long()
    {
        await using ServerHost host = await ServerHost.StartAsync(new() { MaxTokens = 10_000_000 });
        Task running = host.StreamAsync(
            Chat, """{"messages":[{"role":"user","content":"a"}],"max_tokens":10000000,"stream":true}""");
        await UntilAsync(() => host.Served.Engine.Statistics.GeneratedTokens > 10);

        await FluentActions.Awaiting(() => host.StopAsync(TimeSpan.FromSeconds(1)))
            .Should().CompleteWithinAsync(TimeSpan.FromSeconds(30));

        await FluentActions.Awaiting(() => running).Should().ThrowAsync<Exception>();
        await UntilAsync(() => host.Served.Engine.Statistics.Active == 0);
    }

    private static byte[] Request(string body)
    {
        int length = Encoding.UTF8.GetByteCount(body);
        return Encoding.UTF8.GetBytes(
            $"POST {Chat} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}" +
            $"\r\n\r\n{body}");
    }

    private static async Task<TcpClient> ConnectAsync(ServerHost host, byte[] request)
    {
        TcpClient client = new() { ReceiveBufferSize = 4096 };
        await client.ConnectAsync(host.Address.Host, host.Address.Port);
        await client.GetStream().WriteAsync(request);
        return client;
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Stopwatch.GetElapsedTime(start).Should().BeLessThan(TimeSpan.FromSeconds(60));
            await Task.Delay(10);
        }
    }

    private static string? TextOf(JsonElement answer) =>
        answer.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString();
}
