using System.ComponentModel;
using System.Text.Json;
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Text;
using Microsoft.Extensions.AI;

namespace Mamba.Tests.Text;

/// <summary>Tools, reasoning and JSON through the chat interface, with a model that follows a script.</summary>
public sealed class ChatToolTests : IDisposable
{
    private const string Template =
        "{# <tool_call> <think> #}{% for t in tools or [] %}[{{ t.function.name }} {{ t.function.description }}]" +
        "{% endfor %}{% for m in messages %}{{ m.role }}:{{ m.content }}{% for c in m.tool_calls or [] %}" +
        "{{ c.function.name }}={{ c.function.arguments | tojson }}{% endfor %}" +
        "{% if m.role == 'tool' %}({{ m.name }}){% endif %}{{ '\n' }}{% endfor %}" +
        "{% if enable_thinking is defined %}{{ '<think>' if enable_thinking else 'quick' }}{% endif %}";

    private static readonly TextTokenizer Tokenizer = new ByteTokenizer();

    private readonly CpuDevice _device = new(1);
    private readonly MambaLanguageModel _model;
    private readonly MambaChatClient _client;

    public ChatToolTests()
    {
        _model = new(
            _device,
            new() { VocabularySize = 256, Layers = [new MambaMixerOptions { ModelDim = 8, StateDim = 2 }] },
            new Random(1));
        _client = new(_model, Tokenizer, ChatTemplate.Parse(Template), "tiny")
        {
            Defaults = new() { MaxTokens = 2000, StopTokens = [0] },
        };
    }

    private enum Unit
    {
        Celsius,
        Kelvin,
    }

    public void Dispose()
    {
        _client.Dispose();
        _model.Dispose();
        _device.Dispose();
    }

    [Fact]
    public async Task Function_invocation_calls_the_function_and_gives_the_model_its_result()
    {
        List<string> cities = [];
        AIFunction weather = AIFunctionFactory.Create(
            ([Description("where")] string city, int days) =>
            {
                cities.Add($"{city} {days}");
                return $"sunny in {city}";
            },
            "weather",
            "The weather of a city.");
        using IChatClient client = _client.AsBuilder().UseFunctionInvocation().Build();
        Queue<string> script = new(
        [
            "<think>It asks.</think>One moment.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": " +
            "{\"city\": \"Rom\", \"days\": 2}}\n</tool_call>\n<tool_call>{\"name\": \"weather\", \"arguments\": " +
            "{\"city\": \"Köln\", \"days\": 1}}</tool_call>",
            "It is sunny.",
        ]);

        ChatResponse response = await client.GetResponseAsync("How is it?", Scripted(script, weather));

        cities.Should().Equal("Rom 2", "Köln 1");
        script.Should().BeEmpty();
        response.Text.Should().EndWith("It is sunny.");
        response.FinishReason.Should().Be(ChatFinishReason.Stop);
        AIContent[] contents = [.. response.Messages.SelectMany(message => message.Contents)];
        contents.OfType<TextReasoningContent>().Should().ContainSingle().Which.Text.Should().Be("It asks.");
        contents.OfType<FunctionCallContent>().Should().HaveCount(2);
        contents.OfType<FunctionResultContent>().Select(result => result.Result!.ToString())
            .Should().Equal("sunny in Rom", "sunny in Köln");
    }

    [Fact]
    public async Task Streaming_gives_calls_too_and_the_reason()
    {
        AIFunction now = AIFunctionFactory.Create(() => 1, "now");
        Queue<string> script = new(["Wait. <tool_call>{\"name\": \"now\", \"arguments\": {}}</tool_call>"]);
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in _client.GetStreamingResponseAsync("?", Scripted(script, now)))
        {
            updates.Add(update);
        }

        updates[^1].FinishReason.Should().Be(ChatFinishReason.ToolCalls);
        string.Concat(updates.Select(update => update.Text)).Should().Be("Wait. ");
        updates.SelectMany(update => update.Contents).OfType<FunctionCallContent>().Should().ContainSingle()
            .Which.Name.Should().Be("now");
    }

    [Fact]
    public async Task Messages_with_calls_and_results_and_tools_reach_the_template()
    {
        AIFunction now = AIFunctionFactory.Create(() => 1, "now", "The time.");
        ChatMessage[] messages =
        [
            new(ChatRole.User, "Time?"),
            new(ChatRole.Assistant, [
                new TextContent("Hm."),
                new FunctionCallContent("1", "now", new Dictionary<string, object?> { ["zone"] = "UTC", ["n"] = 2 }),
            ]),
            new(ChatRole.Tool, [
                new FunctionResultContent("1", new[] { 3, 4 }), new FunctionResultContent("1", "five"),
            ]),
        ];
        const string Expected =
            "[now The time.]user:Time?\nassistant:Hm.now={\"zone\": \"UTC\", \"n\": 2}\n" +
            "tool:[3,4](now)\ntool:five(now)\n";

        ChatResponse response = await _client.GetResponseAsync(messages, Scripted(new(["x"]), now));

        response.Usage!.InputTokenCount.Should().Be(Expected.Length);
        response.Text.Should().Be("x");
        GenerationOptions free = new() { MaxTokens = 12, StopTokens = [], PrefillLength = 64 };
        ChatResponse own = await _client.GetResponseAsync(
            messages, new() { Tools = [now], RawRepresentationFactory = _ => free });
        List<int> expected = [];
        await foreach (int token in _model.GenerateAsync(Tokenizer.Encode(Expected), free))
        {
            expected.Add(token);
        }

        ((IReadOnlyList<GeneratedToken>)own.RawRepresentation!).Select(token => token.Id).Should().Equal(expected);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("set")]
    public async Task A_required_call_comes_whatever_the_model_wants(string? name)
    {
        AIFunction[] functions =
        [
            AIFunctionFactory.Create((int degrees, Unit unit, bool? isExact) => degrees, "set"),
            AIFunctionFactory.Create((Unit[] units) => 1, "list"),
        ];
        for (int seed = 0; seed < 20; seed++)
        {
            ChatResponse response = await _client.GetResponseAsync("Go", new()
            {
                Tools = functions,
                ToolMode = name is null ? ChatToolMode.RequireAny : ChatToolMode.RequireSpecific(name),
                Seed = seed,
            });

            FunctionCallContent call = response.Messages.Single().Contents.OfType<FunctionCallContent>().Single();
            response.FinishReason.Should().Be(ChatFinishReason.ToolCalls);
            AIFunction function = functions.Single(one => one.Name == call.Name);
            function.Name.Should().Be(name ?? call.Name);
            JsonElement arguments = JsonSerializer.SerializeToElement(call.Arguments);
            SchemaCheck.Fault(arguments, function.JsonSchema, function.JsonSchema).Should().BeNull("{0}", arguments);
        }
    }

    [Fact]
    public async Task Without_tools_or_with_none_a_call_is_text()
    {
        AIFunction now = AIFunctionFactory.Create(() => 1, "now");
        const string Call = "<tool_call>{\"name\": \"now\"}</tool_call>";
        ChatOptions none = Scripted(new([Call]), now);
        none.ToolMode = ChatToolMode.None;

        (await _client.GetResponseAsync("?", Scripted(new([Call])))).Text.Should().Be(Call);
        ChatResponse response = await _client.GetResponseAsync("?", none);

        response.Text.Should().Be(Call);
        response.Usage!.InputTokenCount.Should().Be("user:?\n".Length);
    }

    [Fact]
    public async Task One_call_at_a_time_ends_the_answer_after_the_first()
    {
        AIFunction now = AIFunctionFactory.Create(() => 1, "now");
        const string Call = "<tool_call>{\"name\": \"now\"}</tool_call>";
        ChatOptions options = Scripted(new([Call + Call]), now);
        options.AllowMultipleToolCalls = false;

        ChatResponse response = await _client.GetResponseAsync("?", options);

        response.Messages.Single().Contents.Should().ContainSingle().Which.Should().BeOfType<FunctionCallContent>();
        response.Usage!.OutputTokenCount.Should().Be(Call.Length);
    }

    [Fact]
    public async Task Reasoning_can_be_asked_for_counted_and_left_out()
    {
        ChatOptions Options(ReasoningEffort effort, ReasoningOutput? output = null)
        {
            ChatOptions options = Scripted(new(["because</think>\nyes"]));
            options.Reasoning = new() { Effort = effort, Output = output };
            return options;
        }

        ChatResponse whole = await _client.GetResponseAsync("?", Options(ReasoningEffort.High));
        ChatResponse hidden = await _client.GetResponseAsync("?", Options(ReasoningEffort.Low, ReasoningOutput.None));
        ChatResponse none = await _client.GetResponseAsync("?", Options(ReasoningEffort.None));

        whole.Messages.Single().Contents.OfType<TextReasoningContent>().Should().ContainSingle()
            .Which.Text.Should().Be("because");
        whole.Text.Should().Be("yes");
        whole.Usage!.ReasoningTokenCount.Should().Be("because</think>".Length);
        hidden.Messages.Single().Contents.Should().ContainSingle().Which.Should().BeOfType<TextContent>();
        none.Text.Should().Be("because</think>\nyes", "the prompt did not begin reasoning");
        none.Usage!.InputTokenCount.Should().Be("user:?\nquick".Length);
    }

    [Fact]
    public async Task A_form_of_the_answer_is_kept_and_a_cut_is_told()
    {
        ChatResponseFormat format = ChatResponseFormat.ForJsonSchema(JsonElement.Parse(
            """
            {
              "type": "object", "properties": {"ok": {"type": "boolean"}, "n": {"enum": [1, 2, 3]}},
              "required": ["ok", "n"]
            }
            """));
        for (int seed = 0; seed < 10; seed++)
        {
            ChatOptions options = new() { ResponseFormat = format, Seed = seed, Reasoning = new() };
            ChatResponse whole = await _client.GetResponseAsync("?", options);
            options.MaxOutputTokens = 5;
            ChatResponse cut = await _client.GetResponseAsync("?", options);

            using JsonDocument document = JsonDocument.Parse(whole.Text);
            document.RootElement.EnumerateObject().Select(member => member.Name).Should().Equal("ok", "n");
            whole.FinishReason.Should().Be(ChatFinishReason.Stop);
            cut.FinishReason.Should().Be(ChatFinishReason.Length);
        }
    }

    [Fact]
    public async Task What_a_template_does_not_have_is_refused_by_name()
    {
        using MambaChatClient plain = new(_model, Tokenizer, ChatTemplate.Parse("{{ messages[0].content }}"));
        AIFunction now = AIFunctionFactory.Create(() => 1, "now");
        (ChatOptions Options, string Name)[] refused =
        [
            (new() { Tools = [now] }, "Tools"),
            (new() { ToolMode = ChatToolMode.RequireAny }, "ToolMode"),
            (new() { Tools = [now], ToolMode = ChatToolMode.RequireSpecific("other") }, "ToolMode"),
            (new() { Reasoning = new() { Effort = ReasoningEffort.Low } }, "Reasoning"),
            (new() { Reasoning = new() { Output = ReasoningOutput.Summary } }, "Reasoning"),
        ];
        foreach ((ChatOptions options, string name) in refused)
        {
            await plain.Awaiting(client => client.GetResponseAsync("?", options))
                .Should().ThrowAsync<NotSupportedException>().WithMessage($"{name} is not supported: expected *");
        }

        AIFunction odd = AIFunctionFactory.Create((Uri page) => 1, "open");
        await _client.Awaiting(client => client.GetResponseAsync(
            "?", new() { Tools = [odd], ToolMode = ChatToolMode.RequireAny }))
            .Should().ThrowAsync<NotSupportedException>().WithMessage("JSON schema, open#/properties/page*uri*");
    }

    /// <summary>Options with which the model writes one text of a script after the other.</summary>
    private static ChatOptions Scripted(Queue<string> script, params AITool[] tools) => new()
    {
        Tools = tools,
        RawRepresentationFactory = _ =>
        {
            int[] text = [.. Tokenizer.Encode(script.Dequeue()), 0];
            return new GenerationOptions
            {
                MaxTokens = 2000,
                StopTokens = [0],
                Constraint = TokenConstraint.Allow(generated => [text[generated.Count]]),
            };
        },
    };
}
