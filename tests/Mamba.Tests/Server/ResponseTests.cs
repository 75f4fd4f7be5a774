using System.Net;
using System.Text.Json;

namespace Mamba.Tests.Server;

/// <summary>Responses have the items and events of OpenAI's servers, and continue by their id.</summary>
public sealed class ResponseTests : IAsyncLifetime
{
    private const string Path = "/v1/responses";

    private ServerHost _host = null!;

    public async ValueTask InitializeAsync() => _host = await ServerHost.StartAsync();

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task A_stream_tells_every_step_in_order()
    {
        const string Request =
            """{"input":"Hi","instructions":"Be brief.","seed":7,"max_output_tokens":8%}""";
        (HttpStatusCode status, JsonElement whole) = await _host.PostAsync(Path, Request.Replace("%", ""));

        List<(string? Name, string Data)> events = await _host.StreamAsync(
            Path, Request.Replace("%", ""","stream":true"""));

        JsonElement[] data = [.. events.Select(one => JsonElement.Parse(one.Data))];
        status.Should().Be(HttpStatusCode.OK);
        data.Select(one => one.GetProperty("type").GetString()).Should().Equal(events.Select(one => one.Name));
        data.Select(one => one.GetProperty("sequence_number").GetInt32()).Should()
            .Equal(Enumerable.Range(0, data.Length));
        events.Select(one => one.Name).Where(name => name != "response.output_text.delta").Should().Equal(
            "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
            "response.output_text.done", "response.content_part.done", "response.output_item.done",
            "response.incomplete");
        string text = string.Concat(data.Where(one => one.GetProperty("type").GetString()!.EndsWith("text.delta"))
            .Select(one => one.GetProperty("delta").GetString()));
        JsonElement item = whole.GetProperty("output").EnumerateArray().Single();
        item.GetProperty("type").GetString().Should().Be("message");
        item.GetProperty("role").GetString().Should().Be("assistant");
        JsonElement part = item.GetProperty("content").EnumerateArray().Single();
        part.GetProperty("type").GetString().Should().Be("output_text");
        part.GetProperty("text").GetString().Should().Be(text);
        whole.GetProperty("object").GetString().Should().Be("response");
        whole.GetProperty("status").GetString().Should().Be("incomplete");
        whole.GetProperty("incomplete_details").GetProperty("reason").GetString().Should().Be("max_output_tokens");
        whole.GetProperty("usage").GetProperty("output_tokens").GetInt32().Should().Be(8);
        whole.GetProperty("usage").GetProperty("input_tokens").GetInt32().Should().Be(
            "system: Be brief.\nuser: Hi\nassistant: ".Length);
        data[^1].GetProperty("response").GetProperty("output")[0].GetProperty("content")[0].GetProperty("text")
            .GetString().Should().Be(text);
    }

    [Fact]
    public async Task A_response_continues_from_an_earlier_one_until_it_is_deleted()
    {
        const string First = """{"input":"Hi","seed":7,"max_output_tokens":5}""";
        (_, JsonElement first) = await _host.PostAsync(Path, First);
        string id = first.GetProperty("id").GetString()!;
        string text = first.GetProperty("output")[0].GetProperty("content")[0].GetProperty("text").GetString()!;
        string next = $$"""
            {"input":[{"role":"user","content":"More"}],"previous_response_id":"{{id}}","seed":7,
             "max_output_tokens":6}
            """;

        (_, JsonElement second) = await _host.PostAsync(Path, next);
        (_, JsonElement whole) = await _host.PostAsync(Path, $$"""
            {"input":[{"role":"user","content":"Hi"},{"role":"assistant","content":{{JsonSerializer.Serialize(text)}}},
             {"type":"message","role":"user","content":[{"type":"input_text","text":"More"}]}],"seed":7,
             "max_output_tokens":6,"store":false}
            """);
        JsonElement stored = JsonElement.Parse(await _host.Client.GetStringAsync($"{Path}/{id}"));
        HttpResponseMessage deleted = await _host.Client.DeleteAsync($"{Path}/{id}");
        (HttpStatusCode gone, JsonElement error) = await _host.PostAsync(Path, next);
        HttpResponseMessage unstored = await _host.Client.GetAsync($"{Path}/{whole.GetProperty("id").GetString()}");

        second.GetProperty("output")[0].GetProperty("content")[0].GetProperty("text").GetString().Should().Be(
            whole.GetProperty("output")[0].GetProperty("content")[0].GetProperty("text").GetString());
        second.GetProperty("previous_response_id").GetString().Should().Be(id);
        stored.GetProperty("id").GetString().Should().Be(id);
        deleted.StatusCode.Should().Be(HttpStatusCode.OK);
        gone.Should().Be(HttpStatusCode.NotFound);
        error.GetProperty("error").GetProperty("param").GetString().Should().Be("previous_response_id");
        unstored.StatusCode.Should().Be(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Log_probabilities_are_those_of_the_tokens_in_order()
    {
        const string Request = """
            {"input":"Hi","seed":7,"max_output_tokens":8,"include":["message.output_text.logprobs"],"top_logprobs":2%}
            """;
        (_, JsonElement whole) = await _host.PostAsync(Path, Request.Replace("%", ""));

        List<(string? Name, string Data)> events = await _host.StreamAsync(
            Path, Request.Replace("%", ""","stream":true"""));

        JsonElement part = whole.GetProperty("output")[0].GetProperty("content")[0];
        JsonElement[] tokens = [.. part.GetProperty("logprobs").EnumerateArray()];
        tokens.Should().HaveCount(8);
        string.Concat(tokens.Select(token => token.GetProperty("token").GetString())).Should()
            .Be(part.GetProperty("text").GetString());
        tokens.Should().OnlyContain(token =>
            token.GetProperty("logprob").GetDouble() <= 0 && token.GetProperty("top_logprobs").GetArrayLength() == 2);
        IEnumerable<JsonElement> told = events.Where(one => one.Name == "response.output_text.delta")
            .SelectMany(one => JsonElement.Parse(one.Data).GetProperty("logprobs").EnumerateArray());
        told.Select(token => token.GetRawText()).Should().Equal(tokens.Select(token => token.GetRawText()));
        JsonElement.Parse(events.Single(one => one.Name == "response.output_text.done").Data)
            .GetProperty("logprobs").GetRawText().Should().Be(part.GetProperty("logprobs").GetRawText());
    }

    [Fact]
    public async Task What_responses_do_not_have_is_refused()
    {
        foreach ((string body, string param) in new[]
        {
            ("""{"input":[]}""", "input"),
            ("""{"input":[{"type":"computer_call"}]}""", "input[0]"),
            ("""{"input":[{"role":"user","content":[{"type":"input_image"}]}]}""", "input[0].content[0]"),
            ("""{"input":"a","background":true}""", "background"),
            ("""{"input":"a","max_tokens":5}""", "max_tokens"),
            ("""{"input":"a","text":{"verbosity":"low"}}""", "text.verbosity"),
            ("""{"input":"a","tools":[{"type":"web_search"}]}""", "tools[0]"),
            ("""{"input":"a","conversation":"c"}""", "conversation"),
            ("""{"input":"a","include":["reasoning.encrypted_content"]}""", "include"),
            ("""{"input":"a","top_logprobs":2}""", "top_logprobs"),
            ("""{"input":"a","include":["message.output_text.logprobs"],"top_logprobs":21}""", "top_logprobs"),
        })
        {
            (HttpStatusCode status, JsonElement answer) = await _host.PostAsync(Path, body);

            status.Should().Be(HttpStatusCode.BadRequest, "{0}", body);
            answer.GetProperty("error").GetProperty("param").GetString().Should().Be(param);
        }
    }
}
