using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Mamba.Server;

namespace Mamba.Tests.Server;

/// <summary>What a server does not take is refused with status, field and code, as OpenAI's servers do.</summary>
public sealed class ServerErrorTests
{
    private const string Chat = "/v1/chat/completions";

    private static string With(string fields) =>
        $"{{{fields}{(fields.Length > 0 ? "," : "")}'messages':[{{'role':'user','content':'Hi'}}]}}".Replace('\'', '"');

    public static TheoryData<string, string, string?, string> Refused => new()
    {
        { Chat, "{", null, "*not valid JSON*" },
        { Chat, "[]", null, "*" },
        { Chat, "null", null, "*object*null*" },
        { Chat, "{}", "messages", "*at least one message*" },
        { Chat, With("'temperature':'hot'"), "temperature", "temperature: *" },
        { Chat, With("'temperature':3"), "temperature", "*0 to 2; found 3*" },
        { Chat, With("'top_p':0"), "top_p", "*above 0*" },
        { Chat, With("'min_p':2"), "min_p", "*0 to 1*" },
        { Chat, With("'top_k':-2"), "top_k", "*top_k*" },
        { Chat, With("'repetition_penalty':0"), "repetition_penalty", "*above 0*" },
        { Chat, With("'max_tokens':5000"), "max_tokens", "*4096; found 5000*" },
        { Chat, With("'max_tokens':-1"), "max_tokens", "*found -1*" },
        { Chat, With("'max_tokens':1,'max_completion_tokens':2"), "max_tokens", "*2*found 1*" },
        { Chat, With("'max_tokens':1,'max_tokens':2"), "max_tokens", "*" },
        { Chat, With("'frequency_penalty':3"), "frequency_penalty", "*-2 to 2*" },
        { Chat, With("'presence_penalty':-3"), "presence_penalty", "*-2 to 2*" },
        { Chat, With("'logit_bias':{'x':1}"), "logit_bias", "*found x: 1*" },
        { Chat, With("'logit_bias':{'5':101}"), "logit_bias", "*found 5: 101*" },
        { Chat, With("'logit_bias':{'500':1}"), "logit_bias", "*" },
        { Chat, With("'top_logprobs':3"), "top_logprobs", "*logprobs*" },
        { Chat, With("'logprobs':true,'top_logprobs':30"), "top_logprobs", "*0 to 20*" },
        { Chat, With("'reasoning_effort':'much'"), "reasoning_effort", "*much*" },
        { Chat, With("'reasoning_effort':'low'"), "reasoning_effort", "*" },
        { "/v1/completions", """{"prompt":"a","logprobs":9}""", "logprobs", "*0 to 5*" },
        { Chat, With("'n':17"), "n", "*1 to 16; found 17*" },
        { Chat, With("'stop':['a','b','c','d','e']"), "stop", "*at most 4*found 5*" },
        { Chat, With("'stop':''"), "stop", "*empty*" },
        { Chat, With("'stop':[1]"), "stop", "*" },
        { Chat, With("'stream_options':{'include_usage':true}"), "stream_options", "*stream*" },
        { Chat, With("'audio':{'voice':'x'}"), "audio", "*does not have*" },
        { Chat, With("'store':true"), "store", "*expected false*true*" },
        { Chat, With("'response_format':{'type':'xml'}"), "response_format", "*xml*" },
        { Chat, With("'tool_choice':'maybe'"), "tool_choice", "*maybe*" },
        { Chat, With("'tools':[{'type':'web_search'}]"), "tools[0]", "*web_search*" },
        { Chat, """{"messages":[{"role":"cat","content":"Hi"}]}""", "messages[0].role", "*cat*" },
        { Chat, """{"messages":[{"role":"user","content":"Hi","mood":1}]}""", "messages[0].mood", "*" },
        {
            Chat, """{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}""",
            "messages[0].content[0]", "*image_url*"
        },
        { "/v1/completions", "{}", "prompt", "*text*" },
        { "/v1/completions", """{"prompt":[]}""", "prompt", "*at least one*" },
        { "/v1/completions", """{"prompt":[[1,-2]]}""", "prompt", "*0 or more*" },
        { "/v1/completions", """{"prompt":[300]}""", null, "*300*vocabulary*" },
        { "/v1/completions", """{"prompt":"a","best_of":3}""", "best_of", "*found 3*" },
        { "/v1/completions", """{"prompt":"a","suffix":"b"}""", "suffix", "*" },
        { "/v1/completions", """{"prompt":["a","b"],"n":10}""", "n", "*16*20*" },
        { "/v1/embeddings", """{"input":"a","dimensions":5}""", "dimensions", "*16*5*" },
        { "/v1/embeddings", """{"input":"a","encoding_format":"hex"}""", "encoding_format", "*hex*" },
        { "/v1/embeddings", """{"input":""}""", "input", "*at least one token*" },
        { "/v1/embeddings", """{"input":[999]}""", "input", "*below 128*" },
    };

    [Fact]
    public async Task What_is_not_taken_is_named()
    {
        await using ServerHost host = await ServerHost.StartAsync();
        foreach (TheoryDataRow<string, string, string?, string> row in Refused)
        {
            (string path, string body, string? param, string message) = row.Data;

            (HttpStatusCode status, JsonElement answer) = await host.PostAsync(path, body);

            JsonElement error = answer.GetProperty("error");
            status.Should().Be(HttpStatusCode.BadRequest, "{0}", body);
            error.GetProperty("type").GetString().Should().Be("invalid_request_error");
            error.GetProperty("param").GetString().Should().Be(param, "{0}: {1}", body, error);
            error.GetProperty("message").GetString().Should().Match(message);
        }

        host.Served.Engine.Statistics.Finished.Should().Be(0);
    }

    [Fact]
    public async Task Unknown_models_and_addresses_are_not_found()
    {
        await using ServerHost host = await ServerHost.StartAsync();

        (HttpStatusCode status, JsonElement answer) = await host.PostAsync(Chat, With("'model':'gpt'"));
        (HttpStatusCode other, JsonElement unknown) = await host.PostAsync("/v1/audio/speech", "{}");

        status.Should().Be(HttpStatusCode.NotFound);
        answer.GetProperty("error").GetProperty("code").GetString().Should().Be("model_not_found");
        answer.GetProperty("error").GetProperty("param").GetString().Should().Be("model");
        other.Should().Be(HttpStatusCode.NotFound);
        unknown.GetProperty("error").GetProperty("message").GetString().Should().Contain("/v1/audio/speech");
    }

    [Fact]
    public async Task A_key_is_asked_for()
    {
        await using ServerHost host = await ServerHost.StartAsync(new() { ApiKeys = ["first", "second"] });

        (HttpStatusCode none, JsonElement error) = await host.PostAsync(Chat, With(""));
        host.Client.DefaultRequestHeaders.Authorization = new("Bearer", "third");
        (HttpStatusCode wrong, _) = await host.PostAsync(Chat, With(""));
        host.Client.DefaultRequestHeaders.Authorization = new("Bearer", "second");
        (HttpStatusCode right, _) = await host.PostAsync(Chat, With("'max_tokens':1"));
        host.Client.DefaultRequestHeaders.Authorization = null;

        none.Should().Be(HttpStatusCode.Unauthorized);
        error.GetProperty("error").GetProperty("code").GetString().Should().Be("invalid_api_key");
        wrong.Should().Be(HttpStatusCode.Unauthorized);
        right.Should().Be(HttpStatusCode.OK);
        (await host.Client.GetAsync("/health")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await host.Client.GetAsync("/v1/models")).StatusCode.Should().Be(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task Large_bodies_long_prompts_and_other_kinds_of_content_are_refused()
    {
        await using ServerHost host = await ServerHost.StartAsync(new() { MaxBodyBytes = 5000, MaxPromptTokens = 100 });
        string large = $$"""{"messages":[{"role":"user","content":"{{new string('a', 6000)}}"}]}""";
        using HttpRequestMessage chunked = new(HttpMethod.Post, Chat)
        {
            Content = new StreamContent(new MemoryStream(System.Text.Encoding.UTF8.GetBytes(large))),
        };
        chunked.Headers.TransferEncodingChunked = true;
        chunked.Content.Headers.ContentType = new("application/json");

        (HttpStatusCode body, JsonElement error) = await host.PostAsync(Chat, large);
        using HttpResponseMessage unknownLength = await host.Client.SendAsync(chunked);
        (HttpStatusCode prompt, JsonElement longPrompt) = await host.PostAsync(
            Chat, $$"""{"messages":[{"role":"user","content":"{{new string('a', 300)}}"}]}""");
        using HttpResponseMessage kind = await host.Client.PostAsync(
            Chat, new StringContent(With(""), new MediaTypeHeaderValue("text/plain")));

        body.Should().Be(HttpStatusCode.RequestEntityTooLarge);
        error.GetProperty("error").GetProperty("code").GetString().Should().Be("request_too_large");
        unknownLength.StatusCode.Should().Be(HttpStatusCode.RequestEntityTooLarge);
        prompt.Should().Be(HttpStatusCode.BadRequest);
        longPrompt.GetProperty("error").GetProperty("code").GetString().Should().Be("context_length_exceeded");
        kind.StatusCode.Should().Be(HttpStatusCode.UnsupportedMediaType);
        host.Served.Engine.Statistics.Finished.Should().Be(0);
    }

    [Fact]
    public async Task A_model_without_a_template_continues_texts_only()
    {
        await using ServerHost host = await ServerHost.StartAsync(hasTemplate: false);

        (HttpStatusCode chat, JsonElement error) = await host.PostAsync(Chat, With(""));
        (HttpStatusCode text, _) = await host.PostAsync("/v1/completions", """{"prompt":"a"}""");

        chat.Should().Be(HttpStatusCode.BadRequest);
        error.GetProperty("error").GetProperty("code").GetString().Should().Be("no_chat_template");
        text.Should().Be(HttpStatusCode.OK);
    }
}
