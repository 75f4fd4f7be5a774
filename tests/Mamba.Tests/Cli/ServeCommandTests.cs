using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Models;

namespace Mamba.Tests.Cli;

/// <summary><c>mamba serve</c> as a process: it listens, ends on a signal, and finds sessions again.</summary>
public sealed class ServeCommandTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly string _folder = Directory.CreateTempSubdirectory("mamba-serve-").FullName;

    public ServeCommandTests()
    {
        using CpuDevice device = new();
        using MambaLanguageModel model = new(
            device, new() { VocabularySize = 256, Layers = [new MambaMixerOptions { ModelDim = 16, StateDim = 4 }] },
            new Random(1));
        model.Save(Model);
    }

    /// <summary>Whether processes ignore interrupts, as in the background of a script.</summary>
    private static bool IgnoresInterrupts => File.Exists("/proc/self/status")
        && File.ReadLines("/proc/self/status").First(line => line.StartsWith("SigIgn:", StringComparison.Ordinal))[^1]
            is '2' or '3' or '6' or '7' or 'a' or 'b' or 'e' or 'f'; // the second bit

    private string Model => Path.Combine(_folder, "model");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_killed_server_finds_its_sessions_after_their_last_whole_turn()
    {
        string expected;
        using (HttpClient client = new())
        {
            using Process killed = await StartAsync(client);
            await PostAsync(client, "/v1/sessions", """{"id":"one"}""");
            await ContinueAsync(client, "one", "In the beginning ");
            await PostAsync(client, "/v1/sessions/one/fork", """{"id":"two"}""");
            expected = TextOf(await ContinueAsync(client, "two", "and"));
            using HttpResponseMessage endless = await client.SendAsync(
                new(HttpMethod.Post, "/v1/completions")
                {
                    Content = Json("""{"session":"one","prompt":"or","max_tokens":1000000,"stream":true}"""),
                },
                HttpCompletionOption.ResponseHeadersRead);
            using Stream stream = await endless.Content.ReadAsStreamAsync();
            (await stream.ReadAsync(new byte[10])).Should().BePositive();
            killed.Kill();
            await killed.WaitForExitAsync();
        }

        using (HttpClient client = new())
        {
            using Process again = await StartAsync(client);
            JsonElement session = await client.GetFromJsonAsync<JsonElement>("/v1/sessions/one");
            JsonElement answer = await ContinueAsync(client, "one", "and");
            await ToolProcess.SignalAsync(again, "TERM");
            await again.WaitForExitAsync().WaitAsync(Patience);

            session.GetProperty("turns").GetInt32().Should().Be(1);
            TextOf(answer).Should().Be(expected);
            answer.GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32()
                .Should().Be("In the beginning ".Length + 20);
            again.ExitCode.Should().Be(0);
        }
    }

    [Fact]
    public async Task Other_hosts_and_wrong_options_are_refused()
    {
        using HttpClient client = new();
        using Process process = await StartAsync(client);
        using HttpRequestMessage foreign = new(HttpMethod.Get, "/v1/models") { Headers = { Host = "example.com" } };

        (await client.SendAsync(foreign)).StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await client.GetFromJsonAsync<JsonElement>("/v1/models")).GetProperty("data")[0].GetProperty("id").GetString()
            .Should().Be("model");
        (await client.GetStringAsync("/")).Should().Contain("<title>Mamba</title>");
        await ToolProcess.SignalAsync(process, IgnoresInterrupts ? "TERM" : "INT");
        await process.WaitForExitAsync().WaitAsync(Patience);

        foreach ((string[] arguments, string message) in new[]
        {
            (new[] { "--port", "70000" }, "mamba serve: --port: expected a whole number from 0 to 65535*"),
            (["--host", "here"], "mamba serve: --host: expected an IP address; found \"here\"."),
            (["--api-key", ""], "mamba serve: --api-key: expected a key*"),
        })
        {
            (int code, _, string error) = await ToolProcess.RunAsync(["serve", Model, .. arguments]);
            code.Should().Be(1);
            error.Trim().Should().Match(message);
        }
    }

    private async Task<Process> StartAsync(HttpClient client)
    {
        Process process = ToolProcess.Start(
            "serve", Model, "--port", "0", "--sessions", Path.Combine(_folder, "sessions"), "--threads", "1",
            "--max-tokens", "1000000");
        string line = await process.StandardError.ReadLineAsync() ?? "";
        line.Should().Match("model at http://127.0.0.1:*; *");
        client.BaseAddress = new(line.Split(' ')[2].TrimEnd(';'));
        return process;
    }

    private static Task<JsonElement> ContinueAsync(HttpClient client, string session, string text) => PostAsync(
        client, "/v1/completions",
        $$"""{"session":"{{session}}","prompt":"{{text}}","seed":7,"max_tokens":20}""");

    private static async Task<JsonElement> PostAsync(HttpClient client, string path, string json)
    {
        using HttpResponseMessage response = await client.PostAsync(path, Json(json));
        return await response.Content.ReadFromJsonAsync<JsonElement>();
    }

    private static StringContent Json(string json) => new(json, Encoding.UTF8, "application/json");

    private static string TextOf(JsonElement answer) =>
        answer.GetProperty("choices")[0].GetProperty("text").GetString()!;
}
