using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Server;
using Mamba.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mamba.Tests.Server;

/// <summary>A server of a tiny random model of bytes, at an address of its own.</summary>
internal sealed class ServerHost : IAsyncDisposable
{
    public const string Template =
        "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}" +
        "{{ mood | default('') }}assistant: ";

    private readonly Device _device = TestDevice.OpenBare(2);
    private readonly WebApplication _app;

    private ServerHost(MambaServerOptions? options, string? template, int sendBuffer)
    {
        Model = new(
            _device,
            new()
            {
                VocabularySize = 128, // letters that are whole characters
                Layers =
                [
                    new MambaMixerOptions { ModelDim = 16, StateDim = 4 },
                    new AttentionMixerOptions { ModelDim = 16, Heads = 2, RotaryDim = 8 },
                ],
            },
            new Random(1));
        Model.FinalNorm.Weight.Value.CopyFrom([.. Enumerable.Repeat(30f, 16)]); // so that the past makes a difference
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        if (sendBuffer > 0)
        {
            builder.WebHost.UseSockets(sockets => sockets.CreateBoundListenSocket = endpoint =>
            {
                Socket socket = new(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp)
                {
                    SendBufferSize = sendBuffer,
                };
                socket.Bind(endpoint);
                return socket;
            });
        }

        builder.Services.AddMamba(
            Model, Tokenizer, options, template is null ? null : ChatTemplate.Parse(template));
        _app = builder.Build();
        _app.MapMamba();
    }

    public static TextTokenizer Tokenizer { get; } = new ByteTokenizer();

    public MambaLanguageModel Model { get; }

    public IServiceProvider Services => _app.Services;

    public ServedModel Served => Services.GetRequiredService<ServedModel>();

    public HttpClient Client { get; private set; } = null!;

    public Uri Address => Client.BaseAddress!;

    public static async Task<ServerHost> StartAsync(
        MambaServerOptions? options = null,
        bool hasTemplate = true,
        int sendBuffer = 0,
        string template = Template)
    {
        ServerHost host = new(options, hasTemplate ? template : null, sendBuffer);
        await host._app.StartAsync();
        host.Client = new() { BaseAddress = new(host._app.Urls.Single()), Timeout = TimeSpan.FromSeconds(60) };
        return host;
    }

    public Task StopAsync(TimeSpan within)
    {
        CancellationTokenSource time = new(within);
        return _app.StopAsync(time.Token);
    }

    /// <summary>Sends JSON and reads the JSON of the answer.</summary>
    public async Task<(HttpStatusCode Status, JsonElement Answer)> PostAsync(string path, string json)
    {
        using HttpResponseMessage response = await Client.PostAsync(path, Json(json));
        return (response.StatusCode, await response.Content.ReadFromJsonAsync<JsonElement>());
    }

    /// <summary>Sends JSON and reads the events of the answer: their names, and their data.</summary>
    public async Task<List<(string? Name, string Data)>> StreamAsync(string path, string json)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, path) { Content = Json(json) };
        using HttpResponseMessage response = await Client.SendAsync(
            request, HttpCompletionOption.ResponseHeadersRead);
        response.StatusCode.Should().Be(HttpStatusCode.OK);
        response.Content.Headers.ContentType!.MediaType.Should().Be("text/event-stream");
        List<(string?, string)> events = [];
        foreach (string text in (await response.Content.ReadAsStringAsync()).Split(
            "\n\n", StringSplitOptions.RemoveEmptyEntries))
        {
            string[] lines = text.Split('\n');
            string? name = lines[0].StartsWith("event: ", StringComparison.Ordinal) ? lines[0][7..] : null;
            lines.Should().HaveCount(name is null ? 1 : 2);
            lines[^1].Should().StartWith("data: ");
            events.Add((name, lines[^1][6..]));
        }

        return events;
    }

    public static StringContent Json(string json) => new(json, new System.Net.Http.Headers.MediaTypeHeaderValue(
        "application/json"));

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.DisposeAsync();
        Model.Dispose();
        _device.Dispose();
    }
}
