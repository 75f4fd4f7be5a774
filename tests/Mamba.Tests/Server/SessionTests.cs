using System.Net;
using System.Text.Json;
using Mamba.Server;

namespace Mamba.Tests.Server;

/// <summary>Sessions continue, fork, rewind and are found again, and give the text of the whole conversation.</summary>
public sealed class SessionTests : IDisposable
{
    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"mamba-sessions-{Guid.NewGuid():N}");

    public void Dispose()
    {
        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_conversation_goes_on_from_its_state()
    {
        await using ServerHost host = await ServerHost.StartAsync(new() { Engine = new() { PrefixCacheBytes = 0 } });
        await host.PostAsync("/v1/sessions", """{"id":"one"}""");

        JsonElement first = await SayAsync(host, "one", "Hi");
        JsonElement second = await SayAsync(host, "one", "More");

        TextOf(second).Should().Be(
            await WholeAsync(host, ("user", "Hi"), ("assistant", TextOf(first)), ("user", "More")));
        int cached = second.GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens")
            .GetInt32();
        JsonElement session = await GetAsync(host, "one");
        session.GetProperty("kind").GetString().Should().Be("chat");
        session.GetProperty("turns").GetInt32().Should().Be(2);
        session.GetProperty("messages").EnumerateArray().Select(one => one.GetProperty("content").GetString())
            .Should().Equal("Hi", TextOf(first), "More", TextOf(second));
        session.GetProperty("state_bytes").GetInt64().Should().BePositive();
        // The bytes of the answer are the same again, so all before the new message is known.
        cached.Should().Be("user: Hi\nassistant: ".Length + 12);
    }

    [Fact]
    public async Task A_fork_and_a_rewound_session_continue_independently()
    {
        await using ServerHost host = await ServerHost.StartAsync();
        await host.PostAsync("/v1/sessions", """{"id":"one"}""");
        JsonElement first = await SayAsync(host, "one", "Hi");

        (_, JsonElement fork) = await host.PostAsync("/v1/sessions/one/fork", """{"id":"two"}""");
        JsonElement one = await SayAsync(host, "one", "More");
        JsonElement two = await SayAsync(host, "two", "Less");
        (_, JsonElement rewound) = await host.PostAsync("/v1/sessions/one/rewind", "{}");
        JsonElement again = await SayAsync(host, "one", "Less");
        (_, JsonElement empty) = await host.PostAsync("/v1/sessions/one/rewind", """{"turns":2}""");
        JsonElement anew = await SayAsync(host, "one", "Hi");

        fork.GetProperty("turns").GetInt32().Should().Be(1);
        TextOf(two).Should().Be(await WholeAsync(host, ("user", "Hi"), ("assistant", TextOf(first)), ("user", "Less")));
        rewound.GetProperty("turns").GetInt32().Should().Be(1);
        TextOf(again).Should().Be(TextOf(two)).And.NotBe(TextOf(one));
        empty.GetProperty("turns").GetInt32().Should().Be(0);
        TextOf(anew).Should().Be(TextOf(first));
    }

    [Fact]
    public async Task A_text_goes_on_and_takes_turns_back()
    {
        await using ServerHost host = await ServerHost.StartAsync(hasTemplate: false);
        await host.PostAsync("/v1/sessions", """{"id":"text"}""");
        async Task<string> Continue(string prompt, string more = "")
        {
            (_, JsonElement answer) = await host.PostAsync("/v1/completions", $$"""
                {"session":"text","prompt":"{{prompt}}","seed":7,"max_tokens":9{{more}}}
                """);
            return answer.GetProperty("choices")[0].GetProperty("text").GetString()!;
        }

        async Task<string> Whole(int[] prompt)
        {
            (_, JsonElement answer) = await host.PostAsync("/v1/completions", $$"""
                {"prompt":[{{string.Join(',', prompt)}}],"seed":7,"max_tokens":9}
                """);
            return answer.GetProperty("choices")[0].GetProperty("text").GetString()!;
        }

        string first = await Continue("Once");
        int[] read = [.. host.Served.Sessions!.Find("text").Text];
        string second = await Continue("upon");
        await host.PostAsync("/v1/sessions/text/rewind", "{}");
        string again = await Continue("upon");
        (HttpStatusCode status, JsonElement error) = await host.PostAsync(
            "/v1/completions", """{"session":"text","prompt":["a","b"]}""");

        read.Should().HaveCount(13).And.StartWith(ServerHost.Tokenizer.Encode("Once"));
        first.Should().Be(await Whole(ServerHost.Tokenizer.Encode("Once")));
        second.Should().Be(await Whole([.. read, .. ServerHost.Tokenizer.Encode("upon")])).And.Be(again);
        status.Should().Be(HttpStatusCode.BadRequest);
        error.GetProperty("error").GetProperty("param").GetString().Should().Be("session");
    }

    [Fact]
    public async Task Saved_sessions_are_found_again_also_without_their_states()
    {
        MambaServerOptions options = new() { SessionFolder = _folder };
        JsonElement first, expected;
        await using (ServerHost host = await ServerHost.StartAsync(options))
        {
            await host.PostAsync("/v1/sessions", """{"id":"one"}""");
            await host.PostAsync("/v1/sessions", """{"id":"gone"}""");
            first = await SayAsync(host, "one", "Hi");
            await host.PostAsync("/v1/sessions/one/fork", """{"id":"two"}""");
            await host.PostAsync("/v1/sessions/one/fork", """{"id":"three"}""");
            expected = await SayAsync(host, "three", "More");
            (await host.Client.DeleteAsync("/v1/sessions/gone")).StatusCode.Should().Be(HttpStatusCode.OK);
        }

        string damaged = Directory.EnumerateFiles(Path.Combine(_folder, "two"), "state-*.mamba").Single();
        byte[] bytes = await File.ReadAllBytesAsync(damaged);
        bytes[^40] ^= 1;
        await File.WriteAllBytesAsync(damaged, bytes);
        Directory.CreateDirectory(Path.Combine(_folder, "four"));
        await File.WriteAllTextAsync(Path.Combine(_folder, "four", "session.json"), "{");
        await using ServerHost again = await ServerHost.StartAsync(options);

        JsonElement all = JsonElement.Parse(await again.Client.GetStringAsync("/v1/sessions")).GetProperty("data");
        all.EnumerateArray().Select(one => one.GetProperty("id").GetString())
            .Should().BeEquivalentTo("one", "two", "three");
        JsonElement one = await SayAsync(again, "one", "More"), two = await SayAsync(again, "two", "More");
        TextOf(one).Should().Be(TextOf(expected));
        TextOf(two).Should().Be(TextOf(expected)); // its state is damaged, so the text was read again
        CachedOf(one).Should().Be("user: Hi\nassistant: ".Length + 12);
        CachedOf(two).Should().Be(0);
    }

    [Fact]
    public async Task What_makes_no_sense_is_refused()
    {
        await using ServerHost host = await ServerHost.StartAsync(new() { MaxSessions = 2 });
        await host.PostAsync("/v1/sessions", """{"id":"one"}""");
        await SayAsync(host, "one", "Hi");
        async Task Refuses(string path, string body, HttpStatusCode expected, string word)
        {
            (HttpStatusCode status, JsonElement answer) = await host.PostAsync(path, body);
            status.Should().Be(expected, "{0} {1}", path, body);
            answer.GetProperty("error").GetProperty("message").GetString().Should().Contain(word);
        }

        await Refuses("/v1/sessions", """{"id":"one"}""", HttpStatusCode.Conflict, "one");
        await Refuses("/v1/sessions", """{"id":"../a"}""", HttpStatusCode.BadRequest, "../a");
        await Refuses("/v1/sessions/none/fork", "{}", HttpStatusCode.NotFound, "none");
        await Refuses("/v1/sessions/one/rewind", """{"turns":2}""", HttpStatusCode.BadRequest, "from 1 to 1");
        await Refuses("/v1/completions", """{"session":"one","prompt":"a"}""", HttpStatusCode.BadRequest, "session");
        await Refuses(
            "/v1/chat/completions", """{"session":"one","n":2,"messages":[{"role":"user","content":"a"}]}""",
            HttpStatusCode.BadRequest, "n:");
        await host.PostAsync("/v1/sessions", "{}");
        await Refuses("/v1/sessions", "{}", HttpStatusCode.TooManyRequests, "2 sessions");
        JsonElement session = await GetAsync(host, "one");
        session.GetProperty("turns").GetInt32().Should().Be(1);
    }

    private static async Task<JsonElement> SayAsync(ServerHost host, string session, string text)
    {
        (HttpStatusCode status, JsonElement answer) = await host.PostAsync("/v1/chat/completions", $$"""
            {"session":"{{session}}","messages":[{"role":"user","content":"{{text}}"}],"seed":7,"max_tokens":12}
            """);
        status.Should().Be(HttpStatusCode.OK, "{0}", answer);
        return answer;
    }

    private static async Task<string> WholeAsync(ServerHost host, params (string Role, string Text)[] messages)
    {
        string all = string.Join(',', messages.Select(
            one => $$"""{"role":"{{one.Role}}","content":{{JsonSerializer.Serialize(one.Text)}}}"""));
        (_, JsonElement answer) = await host.PostAsync(
            "/v1/chat/completions", $$"""{"messages":[{{all}}],"seed":7,"max_tokens":12}""");
        return TextOf(answer);
    }

    private static async Task<JsonElement> GetAsync(ServerHost host, string session) =>
        JsonElement.Parse(await host.Client.GetStringAsync($"/v1/sessions/{session}"));

    private static string TextOf(JsonElement answer) =>
        answer.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;

    private static int CachedOf(JsonElement answer) =>
        answer.GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32();
}
