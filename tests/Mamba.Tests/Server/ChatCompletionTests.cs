using System.Net;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Mamba.Tests.Server;

/// <summary>Chat completions have the fields of OpenAI's servers, and the text that the chat client gives.</summary>
public sealed class ChatCompletionTests : IAsyncLifetime
{
    private const string Path = "/v1/chat/completions";

    private ServerHost _host = null!;

    public async ValueTask InitializeAsync() => _host = await ServerHost.StartAsync();

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task An_answer_has_the_text_of_the_chat_client_and_its_usage()
    {
        (HttpStatusCode status, JsonElement answer) = await _host.PostAsync(Path, """
            {"model":"mamba","messages":[{"role":"developer","content":"Be brief."},
             {"role":"user","content":[{"type":"text","text":"H"},{"type":"text","text":"i"}]}],
             "temperature":0.5,"top_p":0.9,"top_k":40,"min_p":0.01,"repetition_penalty":1.1,"seed":5,
             "max_completion_tokens":30,"user":"me","store":false,"service_tier":"auto"}
            """);

        ChatResponse expected = await _host.Served.Chat!.GetResponseAsync(
            [new(ChatRole.System, "Be brief."), new(ChatRole.User, "Hi")],
            new()
            {
                RawRepresentationFactory = _ => new Mamba.Models.Generation.GenerationOptions
                {
                    Sampling = new() { Temperature = 0.5, TopP = 0.9, TopK = 40, MinP = 0.01, RepetitionPenalty = 1.1 },
                },
                Seed = 5,
                MaxOutputTokens = 30,
            });
        status.Should().Be(HttpStatusCode.OK);
        answer.GetProperty("object").GetString().Should().Be("chat.completion");
        answer.GetProperty("id").GetString().Should().StartWith("chatcmpl-");
        answer.GetProperty("model").GetString().Should().Be("mamba");
        answer.GetProperty("created").GetInt64().Should().BeGreaterThan(1_700_000_000);
        JsonElement choice = answer.GetProperty("choices").EnumerateArray().Single();
        choice.GetProperty("index").GetInt32().Should().Be(0);
        choice.GetProperty("finish_reason").GetString().Should().Be("length");
        choice.GetProperty("message").GetProperty("role").GetString().Should().Be("assistant");
        choice.GetProperty("message").GetProperty("content").GetString().Should().Be(expected.Text);
        JsonElement usage = answer.GetProperty("usage");
        usage.GetProperty("prompt_tokens").GetInt32().Should().Be("system: Be brief.\nuser: Hi\nassistant: ".Length);
        usage.GetProperty("completion_tokens").GetInt32().Should().Be(30);
        usage.GetProperty("total_tokens").GetInt32().Should().Be(
            usage.GetProperty("prompt_tokens").GetInt32() + 30);
    }

    [Fact]
    public async Task A_stream_has_the_text_of_the_whole_answer()
    {
        const string Request =
            """{"messages":[{"role":"user","content":"Hi"}],"max_tokens":25,"seed":3%}""";
        (_, JsonElement whole) = await _host.PostAsync(Path, Request.Replace("%", ""));

        List<(string? Name, string Data)> events = await _host.StreamAsync(
            Path, Request.Replace("%", ""","stream":true,"stream_options":{"include_usage":true}"""));

        events.Should().OnlyContain(one => one.Name == null);
        events[^1].Data.Should().Be("[DONE]");
        JsonElement[] chunks = [.. events.SkipLast(1).Select(one => JsonElement.Parse(one.Data))];
        chunks.Should().OnlyContain(chunk => chunk.GetProperty("object").GetString() == "chat.completion.chunk");
        chunks.Select(chunk => chunk.GetProperty("id").GetString()).Distinct().Should().ContainSingle();
        JsonElement[] choices = [.. chunks.SkipLast(1).Select(chunk => chunk.GetProperty("choices")[0])];
        choices[0].GetProperty("delta").GetProperty("role").GetString().Should().Be("assistant");
        string text = string.Concat(choices.Select(choice =>
            choice.GetProperty("delta").TryGetProperty("content", out JsonElement part) ? part.GetString() : ""));
        text.Should().Be(whole.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
        choices.SkipLast(1).Should().OnlyContain(
            choice => choice.GetProperty("finish_reason").ValueKind == JsonValueKind.Null);
        choices[^1].GetProperty("finish_reason").GetString().Should().Be("length");
        chunks[^1].GetProperty("choices").GetArrayLength().Should().Be(0);
        chunks[^1].GetProperty("usage").GetProperty("completion_tokens").GetInt32().Should().Be(25);
    }

    [Fact]
    public async Task Several_answers_have_seeds_of_their_own()
    {
        const string Request = """{"messages":[{"role":"user","content":"Hi"}],"max_tokens":12,"seed":3,"n":3%}""";

        (_, JsonElement answer) = await _host.PostAsync(Path, Request.Replace("%", ""));
        List<(string? Name, string Data)> events = await _host.StreamAsync(
            Path, Request.Replace("%", ""","stream":true"""));

        string[] texts = [.. answer.GetProperty("choices").EnumerateArray().Select(
            choice => choice.GetProperty("message").GetProperty("content").GetString()!)];
        texts.Should().HaveCount(3).And.OnlyHaveUniqueItems();
        JsonElement[] choices =
            [.. events.SkipLast(1).Select(one => JsonElement.Parse(one.Data).GetProperty("choices")[0])];
        for (int index = 0; index < 3; index++)
        {
            string.Concat(choices.Where(choice => choice.GetProperty("index").GetInt32() == index)
                .Select(choice => choice.GetProperty("delta").TryGetProperty("content", out JsonElement part)
                    ? part.GetString() : ""))
                .Should().Be(texts[index]);
        }

        answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32().Should().Be(36);
    }

    [Fact]
    public async Task Log_probabilities_come_with_the_tokens()
    {
        const string Request = """
            {"messages":[{"role":"user","content":"Hi"}],"seed":3,"max_tokens":6,"logprobs":true,"top_logprobs":2%}
            """;

        (_, JsonElement answer) = await _host.PostAsync(Path, Request.Replace("%", ""));
        List<(string? Name, string Data)> events = await _host.StreamAsync(
            Path, Request.Replace("%", ",\"stream\":true"));

        JsonElement choice = answer.GetProperty("choices")[0];
        JsonElement[] tokens = [.. choice.GetProperty("logprobs").GetProperty("content").EnumerateArray()];
        string.Concat(tokens.Select(token => token.GetProperty("token").GetString())).Should().Be(
            choice.GetProperty("message").GetProperty("content").GetString());
        tokens.Should().HaveCount(6).And.OnlyContain(token => token.GetProperty("logprob").GetDouble() <= 0
            && token.GetProperty("top_logprobs").GetArrayLength() == 2
            && token.GetProperty("bytes").GetArrayLength() == 1);
        events.SkipLast(1).Select(one => JsonElement.Parse(one.Data).GetProperty("choices")[0])
            .Where(piece => piece.TryGetProperty("logprobs", out _))
            .SelectMany(piece => piece.GetProperty("logprobs").GetProperty("content").EnumerateArray())
            .Select(token => token.GetProperty("logprob").GetDouble())
            .Should().Equal(tokens.Select(token => token.GetProperty("logprob").GetDouble()));
    }

    [Fact]
    public async Task A_schema_is_kept_to()
    {
        (HttpStatusCode status, JsonElement answer) = await _host.PostAsync(Path, """
            {"messages":[{"role":"user","content":"Hi"}],"seed":3,"max_tokens":200,
             "response_format":{"type":"json_schema","json_schema":{"name":"pair",
             "schema":{"type":"object","properties":{"on":{"type":"boolean"},"kind":{"enum":["a","b"]}},
             "required":["on","kind"],"additionalProperties":false}}}}
            """);

        status.Should().Be(HttpStatusCode.OK, "{0}", answer);
        JsonElement choice = answer.GetProperty("choices")[0];
        JsonElement made = JsonElement.Parse(choice.GetProperty("message").GetProperty("content").GetString()!);
        choice.GetProperty("finish_reason").GetString().Should().Be("stop");
        made.GetProperty("on").ValueKind.Should().BeOneOf(JsonValueKind.True, JsonValueKind.False);
        made.GetProperty("kind").GetString().Should().BeOneOf("a", "b");
    }

    [Fact]
    public async Task A_call_that_is_required_is_made_whole_and_streamed()
    {
        const string Hermes =
            "{%- if tools %}<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools>\n" +
            "<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>{% endif %}" +
            "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}" +
            "{% for tool_call in message.tool_calls %}<tool_call>\n{{ tool_call | tojson }}\n</tool_call>{% endfor %}" +
            "<|im_end|>\n{% endfor %}<|im_start|>assistant\n";
        const string Request = """
            {"messages":[{"role":"user","content":"Hi"}],"seed":3,"max_tokens":400,"tool_choice":"required","tools":[
             {"type":"function","function":{"name":"look","description":"Looks.","parameters":{"type":"object",
             "properties":{"far":{"type":"boolean"}},"required":["far"],"additionalProperties":false}}}]%}
            """;
        await using ServerHost host = await ServerHost.StartAsync(template: Hermes);

        (HttpStatusCode status, JsonElement answer) = await host.PostAsync(Path, Request.Replace("%", ""));
        List<(string? Name, string Data)> events = await host.StreamAsync(
            Path, Request.Replace("%", ",\"stream\":true"));

        status.Should().Be(HttpStatusCode.OK, "{0}", answer);
        JsonElement choice = answer.GetProperty("choices")[0];
        choice.GetProperty("finish_reason").GetString().Should().Be("tool_calls");
        JsonElement call = choice.GetProperty("message").GetProperty("tool_calls").EnumerateArray().Single();
        call.GetProperty("type").GetString().Should().Be("function");
        call.GetProperty("function").GetProperty("name").GetString().Should().Be("look");
        string arguments = call.GetProperty("function").GetProperty("arguments").GetString()!;
        JsonElement.Parse(arguments).GetProperty("far").ValueKind.Should().BeOneOf(
            JsonValueKind.True, JsonValueKind.False);
        JsonElement piece = events.SkipLast(1).Select(one => JsonElement.Parse(one.Data).GetProperty("choices")[0])
            .Single(one => one.GetProperty("delta").TryGetProperty("tool_calls", out _));
        JsonElement streamed = piece.GetProperty("delta").GetProperty("tool_calls")[0];
        streamed.GetProperty("index").GetInt32().Should().Be(0);
        streamed.GetProperty("function").GetProperty("arguments").GetString().Should().Be(arguments);
        (HttpStatusCode next, JsonElement result) = await host.PostAsync(Path, $$"""
            {"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":null,
             "tool_calls":[{{call.GetRawText()}}]},
             {"role":"tool","tool_call_id":"{{call.GetProperty("id").GetString()}}","content":"far away"}],
             "max_tokens":3}
            """);
        next.Should().Be(HttpStatusCode.OK, "{0}", result);
    }

    [Fact]
    public async Task Stop_strings_end_the_answer_before_them()
    {
        const string Request = """{"messages":[{"role":"user","content":"Hi"}],"max_tokens":40,"seed":3%}""";
        (_, JsonElement whole) = await _host.PostAsync(Path, Request.Replace("%", ""));
        string text = whole.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
        string stop = text.Substring(10, 2);

        (_, JsonElement answer) = await _host.PostAsync(
            Path, Request.Replace("%", $",\"stop\":[{JsonSerializer.Serialize(stop)}]"));

        JsonElement choice = answer.GetProperty("choices")[0];
        choice.GetProperty("message").GetProperty("content").GetString().Should().Be(
            text[..text.IndexOf(stop, StringComparison.Ordinal)]);
        choice.GetProperty("finish_reason").GetString().Should().Be("stop");
    }

    [Fact]
    public async Task Answers_without_a_seed_differ_and_variables_reach_the_template()
    {
        const string Request = """{"messages":[{"role":"user","content":"Hi"}],"max_tokens":20%}""";

        (_, JsonElement first) = await _host.PostAsync(Path, Request.Replace("%", ""));
        (_, JsonElement second) = await _host.PostAsync(Path, Request.Replace("%", ""));
        (_, JsonElement third) = await _host.PostAsync(
            Path, Request.Replace("%", ""","chat_template_kwargs":{"mood":"glad"}"""));

        static string? TextOf(JsonElement answer) =>
            answer.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString();
        TextOf(first).Should().NotBe(TextOf(second));
        static int ReadOf(JsonElement answer) => answer.GetProperty("usage").GetProperty("prompt_tokens").GetInt32();
        ReadOf(third).Should().Be(ReadOf(first) + 4);
    }
}
