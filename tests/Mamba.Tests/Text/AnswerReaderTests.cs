using System.Text.Json;
using Mamba.Text.Chat;
using Microsoft.Extensions.AI;

namespace Mamba.Tests.Text;

/// <summary>Answers are parted in the same way however their text is cut.</summary>
public sealed class AnswerReaderTests
{
    private static readonly AIFunctionDeclaration[] Functions =
    [
        AIFunctionFactory.Create((string city, int days) => city, "weather"),
        AIFunctionFactory.Create(() => 1, "now"),
    ];

    public static TheoryData<string, string, string> Answers => new()
    {
        // Template; answer; parts: reasoning in [], text, calls as name(arguments).
        {
            "<tool_call>",
            "Let me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rom\", \"days\": 2}}\n</" +
                "tool_call>",
            "Let me see.\n|weather({\"city\":\"Rom\",\"days\":2})"
        },
        {
            "<tool_call>",
            "<tool_call>{\"name\": \"now\"}</tool_call>\n<tool_call>{\"name\":\"now\",\"arguments\":{}}</tool_call>" +
                " Done",
            "now({})|now({})|Done"
        },
        { "<tool_call>", "<tool_call>not JSON</tool_call> and", "<tool_call>not JSON</tool_call>and" },
        { "<tool_call>", "a < b, <tool", "a < b, <tool" },
        { "<tool_call>", "<tool_call>{\"name\": \"now\", \"arguments\": {}}", "now({})" },
        {
            "<tool_call>",
            "<tool_call>{\"name\": \"weather\", \"arguments\": \"{\\\"city\\\": \\\"Köln\\\"}\"}</tool_call>",
            "weather({\"city\":\"Köln\"})"
        },
        {
            "<|tool_call|>",
            "<|tool_call|>[{\"name\": \"now\", \"arguments\": {}}, {\"name\": \"weather\", \"arguments\": {\"days\"" +
                ": 1}}]",
            "now({})|weather({\"days\":1})"
        },
        { "<tool_calls>", "<tool_calls>[\n{\"name\": \"now\", \"arguments\": {}}\n]</tool_calls>", "now({})" },
        {
            "<TOOLCALL> <think>",
            "<think>\nHm.\n</think>\n\n<TOOLCALL>[{\"name\": \"now\", \"arguments\": {}}]</TOOLCALL>",
            "[Hm.\n]|now({})"
        },
        {
            "<tool_call> <function=",
            "<tool_call>\n<function=weather>\n<parameter=city>\n3\n</parameter>\n<parameter=days>\n3\n</parameter>" +
                "\n</function>\n</tool_call>",
            "weather({\"city\":\"3\",\"days\":3})"
        },
        { "<tool_call> <function=", "<tool_call><function=now></function></tool_call>", "now({})" },
        { "tools", "{\"name\": \"weather\", \"parameters\": {\"city\": \"Rom\"}}", "weather({\"city\":\"Rom\"})" },
        {
            "tools",
            "<|python_tag|>{\"name\": \"now\", \"parameters\": {}}; {\"name\": \"now\", \"parameters\": {}}",
            "now({})|now({})"
        },
        {
            "tools",
            " {\"name\": \"no function\", \"parameters\": {}}",
            "{\"name\": \"no function\", \"parameters\": {}}"
        },
        { "tools", "{\"answer\": 3}", "{\"answer\": 3}" },
        { "tools", "Plain {\"name\": \"now\"}", "Plain {\"name\": \"now\"}" },
        { "tools <think>", "<think>why</think>{\"name\": \"now\", \"parameters\": {}}", "[why]|now({})" },
        { "<think>", "<think>first</think>\n\nthen <think> is text", "[first]|then <think> is text" },
        { "<think>", "No reasoning", "No reasoning" },
        { "<think>", "<thin", "<thin" },
        { "<think>", "<think>cut off", "[cut off]" },
    };

    [Theory]
    [MemberData(nameof(Answers))]
    public void Answers_of_every_format_are_parted(string template, string answer, string expected)
    {
        bool hasReasoning = template.Contains("<think>", StringComparison.Ordinal);
        ToolFormat? tools = ToolFormat.Of(template);
        for (int piece = 1; piece <= answer.Length; piece++)
        {
            AnswerReader reader = new(hasReasoning, isReasoning: false, tools, tools is null ? [] : Functions);
            List<AIContent> contents = [];
            for (int at = 0; at < answer.Length; at += piece)
            {
                contents.AddRange(reader.Append(answer[at..Math.Min(at + piece, answer.Length)]));
            }

            contents.AddRange(reader.Finish());

            Describe(contents).Should().Be(expected, "in pieces of {0}", piece);
            reader.Calls.Should().Be(contents.OfType<FunctionCallContent>().Count());
        }
    }

    [Fact]
    public void A_prompt_may_have_begun_the_reasoning()
    {
        AnswerReader reader = new(reasoning: true, isReasoning: true, null, []);

        reader.IsReasoning.Should().BeTrue();
        Describe([.. reader.Append("so</think>this"), .. reader.Finish()]).Should().Be("[so]|this");
        reader.IsReasoning.Should().BeFalse();
    }

    [Fact]
    public void Without_parts_no_character_is_changed()
    {
        AnswerReader reader = new(reasoning: false, isReasoning: false, null, []);

        Describe([.. reader.Append(" \n<think>x</think> <tool_call>"), .. reader.Finish()])
            .Should().Be(" \n<think>x</think> <tool_call>");
    }

    private static string Describe(IEnumerable<AIContent> contents)
    {
        List<string> parts = [];
        Type? last = null;
        foreach (AIContent content in contents)
        {
            string text = content switch
            {
                TextReasoningContent reasoning => reasoning.Text,
                FunctionCallContent call => $"{call.Name}({JsonSerializer.Serialize(call.Arguments, Relaxed)})",
                _ => ((TextContent)content).Text,
            };
            if (content.GetType() == last && content is not FunctionCallContent)
            {
                parts[^1] += text;
            }
            else
            {
                parts.Add(text);
            }

            last = content.GetType();
            if (content is TextReasoningContent)
            {
                parts[^1] = $"[{parts[^1].Replace("[", "").Replace("]", "")}]";
            }
        }

        return string.Join('|', parts);
    }

    private static readonly JsonSerializerOptions Relaxed = new()
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
}
