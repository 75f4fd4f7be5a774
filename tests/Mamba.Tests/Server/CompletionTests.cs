using System.Buffers.Binary;
using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Mamba.Tests.Server;

/// <summary>Continuations, vectors, models and numbers of the server.</summary>
public sealed class CompletionTests : IAsyncLifetime
{
    private const string Path = "/v1/completions";

    private ServerHost _host = null!;

    public async ValueTask InitializeAsync() => _host = await ServerHost.StartAsync();

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task Texts_and_tokens_continue_as_the_model_generates_them()
    {
        (HttpStatusCode status, JsonElement answer) = await _host.PostAsync(
            Path, """{"prompt":["Once","upon"],"seed":7,"max_tokens":12,"echo":true}""");
        (_, JsonElement tokens) = await _host.PostAsync(
            Path, """{"prompt":[[79,110,99,101],[117,112,111,110]],"seed":7,"max_tokens":12}""");

        status.Should().Be(HttpStatusCode.OK);
        answer.GetProperty("object").GetString().Should().Be("text_completion");
        foreach ((string prompt, int index) in new[] { ("Once", 0), ("upon", 1) })
        {
            string expected = await TextAfterAsync(prompt, 12);
            JsonElement choice = answer.GetProperty("choices")[index];
            choice.GetProperty("index").GetInt32().Should().Be(index);
            choice.GetProperty("text").GetString().Should().Be(prompt + expected);
            choice.GetProperty("finish_reason").GetString().Should().Be("length");
            tokens.GetProperty("choices")[index].GetProperty("text").GetString().Should().Be(expected);
        }

        answer.GetProperty("usage").GetProperty("prompt_tokens").GetInt32().Should().Be(8);
        answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32().Should().Be(24);
    }

    [Fact]
    public async Task A_stream_has_the_text_of_the_whole_answer()
    {
        List<(string? Name, string Data)> events = await _host.StreamAsync(Path, """
            {"prompt":"Once","seed":7,"max_tokens":30,"stream":true,"stream_options":{"include_usage":true}}
            """);

        events[^1].Data.Should().Be("[DONE]");
        JsonElement[] chunks = [.. events.SkipLast(1).Select(one => JsonElement.Parse(one.Data))];
        string.Concat(chunks.SkipLast(1).Select(
            chunk => chunk.GetProperty("choices")[0].GetProperty("text").GetString()))
            .Should().Be(await TextAfterAsync("Once", 30));
        chunks[^2].GetProperty("choices")[0].GetProperty("finish_reason").GetString().Should().Be("length");
        chunks[^1].GetProperty("usage").GetProperty("total_tokens").GetInt32().Should().Be(34);
    }

    [Fact]
    public async Task Log_probabilities_are_those_of_the_model()
    {
        const string Request = """{"prompt":"Once","seed":7,"max_tokens":5,"logprobs":3,"echo":true%}""";

        (_, JsonElement answer) = await _host.PostAsync(Path, Request.Replace("%", ""));
        List<(string? Name, string Data)> events = await _host.StreamAsync(
            Path, Request.Replace("%", ",\"stream\":true"));

        JsonElement whole = answer.GetProperty("choices")[0].GetProperty("logprobs");
        List<Mamba.Models.Generation.GeneratedToken> expected = [];
        await foreach (Mamba.Models.Generation.GeneratedToken token in _host.Model.GenerateTokensAsync(
            ServerHost.Tokenizer.Encode("Once"),
            new() { MaxTokens = 5, Sampling = new() { Seed = 7 }, LogProbabilities = 3 }))
        {
            expected.Add(token);
        }

        string text = answer.GetProperty("choices")[0].GetProperty("text").GetString()!;
        whole.GetProperty("tokens").EnumerateArray().Select(one => one.GetString()).Should().Equal(
            text[4..].Select(letter => $"{letter}"));
        whole.GetProperty("text_offset").EnumerateArray().Select(one => one.GetInt32()).Should().Equal(4, 5, 6, 7, 8);
        whole.GetProperty("token_logprobs").EnumerateArray().Select(one => one.GetDouble()).Should().Equal(
            expected.Select(token => token.LogProbability!.Value), (a, b) => Math.Abs(a - b) < 1e-5);
        whole.GetProperty("top_logprobs").EnumerateArray().Select(one => one.EnumerateObject().First().Name)
            .Should().Equal(expected.Select(token => $"{(char)token.Likeliest[0].Id}"));
        JsonElement[] pieces =
            [.. events.SkipLast(1).Select(one => JsonElement.Parse(one.Data).GetProperty("choices")[0])];
        pieces.Where(piece => piece.TryGetProperty("logprobs", out _))
            .SelectMany(piece => piece.GetProperty("logprobs").GetProperty("text_offset").EnumerateArray())
            .Select(one => one.GetInt32()).Should().Equal(4, 5, 6, 7, 8);
    }

    [Fact]
    public async Task Penalties_and_biases_reach_the_sampler()
    {
        (_, JsonElement biased) = await _host.PostAsync(
            Path, """{"prompt":"Once","seed":7,"max_tokens":4,"logit_bias":{"65":100}}""");
        (_, JsonElement apart) = await _host.PostAsync(Path, """
            {"prompt":"Once","seed":7,"max_tokens":30,"presence_penalty":1.5,"frequency_penalty":-0.5,"typical_p":0.9,
             "logit_bias":{"65":3,"66":-100}}
            """);
        List<int> expected = [];
        await foreach (int token in _host.Model.GenerateAsync(ServerHost.Tokenizer.Encode("Once"), new()
        {
            MaxTokens = 30,
            Sampling = new()
            {
                Seed = 7, PresencePenalty = 1.5, FrequencyPenalty = -0.5, TypicalP = 0.9,
                LogitBias = new Dictionary<int, double> { [65] = 3, [66] = -100 },
            },
            PrefillLength = 64,
        }))
        {
            expected.Add(token);
        }

        biased.GetProperty("choices")[0].GetProperty("text").GetString().Should().Be("AAAA");
        apart.GetProperty("choices")[0].GetProperty("text").GetString().Should().Be(
            ServerHost.Tokenizer.Decode(expected.ToArray()));
    }

    [Fact]
    public async Task Vectors_are_those_of_the_generator_as_numbers_and_in_base64()
    {
        (_, JsonElement numbers) = await _host.PostAsync(
            "/v1/embeddings", """{"model":"mamba","input":["Once",[117,112]],"dimensions":16}""");
        (_, JsonElement text) = await _host.PostAsync(
            "/v1/embeddings", """{"input":"Once","encoding_format":"base64"}""");

        float[] expected = (await _host.Served.Embeddings.GenerateVectorAsync("Once")).ToArray();
        numbers.GetProperty("data").EnumerateArray().Should().HaveCount(2);
        numbers.GetProperty("data")[0].GetProperty("embedding").EnumerateArray().Select(one => one.GetSingle())
            .Should().Equal(expected);
        numbers.GetProperty("usage").GetProperty("prompt_tokens").GetInt32().Should().Be(6);
        byte[] bytes = text.GetProperty("data")[0].GetProperty("embedding").GetBytesFromBase64();
        Enumerable.Range(0, 16).Select(i => BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(4 * i)))
            .Should().Equal(expected);
    }

    [Fact]
    public async Task Models_health_and_metrics_are_told()
    {
        await _host.PostAsync(Path, """{"prompt":"Once","max_tokens":7}""");

        JsonElement models = JsonElement.Parse(await _host.Client.GetStringAsync("/v1/models"));
        JsonElement model = JsonElement.Parse(await _host.Client.GetStringAsync("/v1/models/mamba"));
        HttpResponseMessage other = await _host.Client.GetAsync("/v1/models/gpt");
        string health = await _host.Client.GetStringAsync("/health");
        string metrics = await _host.Client.GetStringAsync("/metrics");

        models.GetProperty("data")[0].GetProperty("id").GetString().Should().Be("mamba");
        model.GetProperty("object").GetString().Should().Be("model");
        model.GetProperty("has_chat_template").GetBoolean().Should().BeTrue();
        other.StatusCode.Should().Be(HttpStatusCode.NotFound);
        health.Should().Be("""{"status":"ok"}""");
        string[] lines = metrics.Split('\n');
        lines.Should().Contain("mamba_tokens_generated_total 7").And.Contain("mamba_tokens_prompt_total 4")
            .And.Contain("mamba_requests_active 0").And.Contain("mamba_requests_finished_total 1")
            .And.Contain("# TYPE mamba_tokens_generated_total counter")
            .And.Contain("mamba_request_duration_seconds_bucket{outcome=\"length\",le=\"+Inf\"} 1")
            .And.Contain("mamba_request_duration_seconds_count{outcome=\"length\"} 1")
            .And.Contain("mamba_request_time_to_first_token_seconds_count 1");
    }

    private async Task<string> TextAfterAsync(string prompt, int tokens)
    {
        List<int> ids = [];
        await foreach (int token in _host.Model.GenerateAsync(
            ServerHost.Tokenizer.Encode(prompt),
            new() { MaxTokens = tokens, Sampling = new() { Seed = 7 }, PrefillLength = 64 }))
        {
            ids.Add(token);
        }

        return Encoding.UTF8.GetString([.. ids.Select(id => (byte)id)]);
    }
}
