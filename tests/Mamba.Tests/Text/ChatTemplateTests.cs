using System.Text.Json;
using Mamba.Tests.Fuzz;
using Mamba.Text;

namespace Mamba.Tests.Text;

/// <summary>
/// Chat templates. The expected texts of <c>Golden/chat-templates.json</c> are those of Jinja2 3.1 with the settings of
/// Hugging Face; null stands for an error.
/// </summary>
public class ChatTemplateTests
{
    private static readonly JsonElement _golden = JsonDocument.Parse(
        File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Golden", "chat-templates.json"))).RootElement;

    public static TheoryData<string> Runs =>
        [.. _golden.GetProperty("runs").EnumerateArray().Select(run => run.GetProperty("name").GetString()!)];

    [Fact]
    public void Every_part_of_the_language_gives_the_text_of_the_reference()
    {
        foreach (JsonElement item in _golden.GetProperty("cases").EnumerateArray())
        {
            string template = item[0].GetString()!;

            string? text = TextOrNull(template, _golden.GetProperty("variables"));

            text.Should().Be(item[1].GetString(), "this is the template: {0}", template);
        }
    }

    [Theory]
    [MemberData(nameof(Runs))]
    public void A_template_in_the_style_of_a_family_gives_the_text_of_the_reference(string name)
    {
        JsonElement run = _golden.GetProperty("runs").EnumerateArray().Single(
            item => item.GetProperty("name").GetString() == name);
        string template = _golden.GetProperty("templates").GetProperty(
            run.GetProperty("template").GetString()!).GetString()!;

        string? text = TextOrNull(
            template, run.GetProperty("variables"), new() { ["bos_token"] = "<s>", ["eos_token"] = "</s>" });

        text.Should().Be(run.GetProperty("expected").GetString());
    }

    [Fact]
    public void Messages_tools_and_special_tokens_are_variables()
    {
        TextTokenizer tokenizer = TextTokenizer.Create(new()
        {
            Model = "llama",
            Tokens = ["<s>", "</s>"],
            Kinds = [3, 3],
            Scores = [0, 0],
            BeginToken = 0,
            EndToken = 1,
        });
        ChatTemplate template = ChatTemplate.Parse(
            "{{ bos_token }}{% for m in messages %}[{{ m.role }}:{{ m['content'] }}:{{ m.n }}]{% endfor %}" +
            "{{ eos_token }}{{ tools|tojson }}{{ add_generation_prompt }}{{ style }}{{ unk_token is defined }}");

        string text = template.Render(
            [new("user", "hi"), new("assistant", null) { Members = new Dictionary<string, object?> { ["n"] = 3 } }],
            tokenizer,
            addGenerationPrompt: false,
            tools: [new Dictionary<string, object?> { ["name"] = "f" }],
            variables: new Dictionary<string, object?> { ["style"] = "x" });

        text.Should().Be("<s>[user:hi:][assistant:None:3]</s>[{\"name\": \"f\"}]FalsexFalse");
    }

    [Fact]
    public void The_date_is_that_of_the_clock()
    {
        ChatTemplate template = ChatTemplate.Parse(
            "{{ strftime_now('%d %B %b %Y %y-%m %A %a %H:%M:%S %I %p %j 100%%') }}",
            new() { Time = new FixedTime(new(2026, 2, 3, 16, 5, 9, TimeSpan.Zero)) });

        template.Render([]).Should().Be("03 February Feb 2026 26-02 Tuesday Tue 16:05:09 04 PM 034 100%");
    }

    [Theory]
    [InlineData("{% extends 'x' %}", "*line 1, column 12: the tag \"extends\" is not supported*")]
    [InlineData("{% include 'x' %}", "*\"include\"*")]
    [InlineData("{% call f() %}{% endcall %}", "*\"call\"*")]
    [InlineData("\n{{ s|urlize }}", "*line 2, column 13: the filter \"urlize\"*")]
    [InlineData("{{ s is escaped }}", "*the test \"escaped\"*")]
    [InlineData("{% for a in s recursive %}{% endfor %}", "*recursive*")]
    [InlineData("{{ f(*s) }}", "*before an argument*")]
    [InlineData("{{ 's'.zfill(3) }}", "*the method \"zfill\" of text*")]
    [InlineData("{{ [1].append(3) }}", "*the method \"append\" of a list*")]
    [InlineData("{{ strftime_now('%Q') }}", "*\"%Q\" of strftime_now*")]
    [InlineData("{{ 'a'.upper(1) }}", "*arguments of*")]
    [InlineData("{{ 99999999999999999999 }}", "*more than 64 bits*")]
    public void What_is_not_supported_is_refused_by_name(string template, string message)
    {
        Action render = () => ChatTemplate.Parse(template).Render([]);

        render.Should().Throw<NotSupportedException>().WithMessage(message);
    }

    [Theory]
    [InlineData("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", "*steps*")]
    [InlineData("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "*101 deep*")]
    [InlineData(
        "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "*characters*")]
    [InlineData("{{ 'x' * 1000000000000 }}", "*characters*")]
    [InlineData("{{ [0] * 1000000000000 }}", "*characters*")]
    [InlineData("{{ 'aaaaaaaaaa'.replace('a', 'b' * 50000000) }}", "*characters*")]
    [InlineData("{{ range(1000000) }}", "*100,000*")]
    [InlineData("{{ 9223372036854775807 + 1 }}", "*64 bits*")]
    [InlineData("{{ 2 ** 9999999 }}", "*64 bits*")]
    [InlineData(
        "{% set ns = namespace(l=[]) %}{% for i in range(99) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
        "*deep*")]
    [InlineData("{% for i in range(100000) %}{{ 'a,b'.split(',') | join('x' * 1000) }}{% endfor %}", "*characters*")]
    [InlineData(
        "{{ raise_exception('roles must alternate') }}",
        "*line 1, column 19: the template refuses*roles must alternate*")]
    public void A_hostile_or_failing_template_ends_with_a_message(string template, string message)
    {
        Action render = () => ChatTemplate.Parse(template).Render([]);

        render.Should().Throw<InvalidDataException>().WithMessage(message);
    }

    [Fact]
    public void Deep_nesting_is_refused_before_the_stack_ends()
    {
        foreach ((string open, string close) in new[]
        {
            ("(", ")"), ("[", "]"), ("{'a':", "}"), ("not ", ""), ("-", ""), ("f(", ")"), ("1 if 1 else ", ""),
            ("s[", "]"),
        })
        {
            string expression = string.Concat(Enumerable.Repeat(open, 20_000)) + "1" +
                string.Concat(Enumerable.Repeat(close, 20_000));
            Action parse = () => ChatTemplate.Parse("{{ " + expression + " }}");
            parse.Should().Throw<InvalidDataException>("{0} is nested", open).WithMessage("*more than 100 deep*");
        }

        string blocks = string.Concat(Enumerable.Repeat("{% if true %}", 5000));
        Action parseBlocks = () => ChatTemplate.Parse(blocks);
        parseBlocks.Should().Throw<InvalidDataException>().WithMessage("*more than 100 deep*");
        Action parseLong = () => ChatTemplate.Parse(new string('x', 1_000_001));
        parseLong.Should().Throw<InvalidDataException>().WithMessage("*1,000,001 characters*");
    }

    [Fact]
    public void Deep_macros_end_with_a_message_on_a_small_stack()
    {
        static string Repeat(string text, int count) => string.Concat(Enumerable.Repeat(text, count));
        string template = "{% macro f() %}" + Repeat("{% if true %}{% for i in [1] %}", 20) + "{{ " +
            Repeat("[1, not (1 + ", 15) + "f()" + Repeat(")]", 15) + " }}" + Repeat("{% endfor %}{% endif %}", 20) +
            "{% endmacro %}{{ f() }}";
        Exception? exception = null;
        Thread thread = new(
            () => exception = Record.Exception(() => ChatTemplate.Parse(template).Render([])), maxStackSize: 512 << 10);

        thread.Start();
        thread.Join();

        exception.Should().BeOfType<InvalidDataException>().Which.Message.Should().Contain("macros call each other");
    }

    [Fact]
    public void Long_chains_of_operators_and_filters_are_no_nesting()
    {
        string chain = string.Concat(Enumerable.Repeat(" + 1", 30_000));
        string filters = string.Concat(Enumerable.Repeat("|int", 30_000));

        string? text = TextOrNull("{{ 0" + chain + " }}{{ 7" + filters + " }}", default);

        text.Should().Be("300007");
    }

    [Fact]
    public void Variables_are_refused_by_their_type()
    {
        Dictionary<string, object?> variables = new() { ["x"] = DateTime.Now };
        Action render = () => ChatTemplate.Parse("{{ x }}").Render(variables);

        render.Should().Throw<InvalidDataException>().WithMessage("*System.DateTime*");
    }

    [Fact]
    public void Changed_templates_are_rendered_or_refused()
    {
        byte[][] seeds =
        [
            .. _golden.GetProperty("templates").EnumerateObject().Select(
                item => System.Text.Encoding.UTF8.GetBytes(item.Value.GetString()!)),
            .. _golden.GetProperty("cases").EnumerateArray().Select(
                item => System.Text.Encoding.UTF8.GetBytes(item[0].GetString()!)),
        ];
        Dictionary<string, object?>[] variables =
        [
            .. _golden.GetProperty("runs").EnumerateArray().Select(run => Variables(run.GetProperty("variables"))),
            Variables(_golden.GetProperty("variables")),
        ];
        ChatTemplateOptions options = new() { MaxSteps = 20_000, MaxCreated = 200_000 };
        Random random = new(1);
        for (int i = 0; i < (Thorough.IsAsked ? 100_000 : 2000); i++)
        {
            (byte[] content, string change) = ByteMutation.Of(seeds[random.Next(seeds.Length)], random);
            for (int more = random.Next(3); more > 0; more--)
            {
                (content, _) = ByteMutation.Of(content, random);
            }

            try
            {
                ChatTemplate.Parse(System.Text.Encoding.UTF8.GetString(content), options).Render(
                    variables[random.Next(variables.Length)]);
            }
            catch (Exception exception) when (exception is InvalidDataException or NotSupportedException)
            {
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"{i}: {change}", exception);
            }
        }
    }

    [Theory]
    [InlineData(0.1, "0.1")]
    [InlineData(1e16, "1e+16")]
    [InlineData(123456789012345680.0, "1.2345678901234568e+17")]
    [InlineData(1e-5, "1e-05")]
    [InlineData(0.0001, "0.0001")]
    [InlineData(1e15, "1000000000000000.0")]
    [InlineData(-2.5, "-2.5")]
    [InlineData(double.NaN, "nan")]
    public void Numbers_are_written_as_Python_writes_them(double number, string expected) =>
        TextOrNull("{{ x }}", default, new() { ["x"] = number }).Should().Be(expected);

    private static Dictionary<string, object?> Variables(JsonElement variables) =>
        variables.ValueKind == JsonValueKind.Undefined
            ? []
            : variables.EnumerateObject().ToDictionary(member => member.Name, member => (object?)member.Value);

    private static string? TextOrNull(string template, JsonElement variables, Dictionary<string, object?>? more = null)
    {
        Dictionary<string, object?> all = Variables(variables);
        foreach ((string name, object? value) in more ?? [])
        {
            all[name] = value;
        }

        try
        {
            return ChatTemplate.Parse(template).Render(all);
        }
        catch (Exception exception) when (exception is InvalidDataException or NotSupportedException)
        {
            return null;
        }
    }

    private sealed class FixedTime(DateTimeOffset now) : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => now;
    }
}
