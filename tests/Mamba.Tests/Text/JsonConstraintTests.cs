using System.Text;
using System.Text.Json;
using CsCheck;
using Mamba.Models.Generation;
using Mamba.Text;

namespace Mamba.Tests.Text;

/// <summary>What a constraint lets through can be parsed and is valid.</summary>
public sealed class JsonConstraintTests
{
    private const int Stop = 0;

    private static readonly TextTokenizer Bytes = new ByteTokenizer();

    /// <summary>Tokens of several bytes, also parts of characters; 0 is the end of a text.</summary>
    private static readonly TextTokenizer Words = TextTokenizer.Create(new()
    {
        Model = "gpt2",
        Tokens =
        [
            "<end>", .. Enumerable.Range(0, 256).Select(value => new ByteTokenizer().TokenOf(value)!),
            "{\"", "\":", "},", "\"}", "Ġ\"", "]}", "true", "als", "12", "e1", "\\u", "\\\"", "Ã", "ĊĠĠ", "{\"a\":[",
            "nu",
        ],
        Kinds = [3, .. Enumerable.Repeat(1, 272)],
        Merges = [],
        EndToken = 0,
    });

    private const string Person = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "a person", "type": "object",
          "properties": {
            "name": {"type": "string", "description": "who"},
            "age": {"type": ["integer", "null"]},
            "size": {"type": "number"},
            "kind": {"enum": ["a", "b\"ä", 3, null, {"x": [1]}]},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3},
            "parent": {"$ref": "#"},
            "place": {"$ref": "#/$defs/place"},
            "any": true,
            "no\"te": {"anyOf": [{"type": "boolean"}, {"const": "none"}, {"$ref": "#/properties/tags"}]}
          },
          "required": ["age", "kind"], "additionalProperties": false,
          "$defs": {"place": {"type": "object", "additionalProperties": {"type": "integer"}}}
        }
        """;

    public static TheoryData<string> Schemas => new(
        Person,
        """{"type": "object"}""",
        """{"type": "array", "items": {"type": "array", "items": {"type": "integer"}, "maxItems": 2}, "minItems": 2}""",
        """{"type": "array", "maxItems": 0}""",
        """{"type": "object", "additionalProperties": false}""",
        """{"type": "object", "properties": {"a": {"type": "null"}, "b": {}, "c": {"type": "string"}}}""",
        """{"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}}, "required": ["a", "b"]}""",
        """{"type": "string", "enum": ["yes", "no", 3]}""",
        """{"type": "integer"}""",
        """{"type": ["boolean", "null"]}""",
        """{"type": "string"}""",
        """{"type": "string", "format": "date-time"}""",
        """{"type": "string", "format": "date"}""",
        """{"type": "string", "format": "time"}""",
        """{"type": "string", "format": "uuid"}""",
        """{}""");

    [Theory]
    [MemberData(nameof(Schemas))]
    public void Whatever_is_chosen_the_text_parses_and_is_valid(string text)
    {
        using JsonDocument schema = JsonDocument.Parse(text);
        foreach (TextTokenizer tokenizer in new[] { Bytes, Words })
        {
            TokenConstraint constraint = JsonConstraint.OfSchema(tokenizer, schema.RootElement);
            for (int seed = 0; seed < 60; seed++)
            {
                string written = Write(constraint, tokenizer, seed);
                using JsonDocument document = JsonDocument.Parse(written);
                SchemaCheck.Fault(document.RootElement, schema.RootElement, schema.RootElement)
                    .Should().BeNull("{0} is of {1}", written, text);
            }
        }
    }

    [Fact]
    public void Whatever_is_chosen_an_object_comes_that_parses_and_has_text_without_lone_surrogates()
    {
        TokenConstraint constraint = JsonConstraint.AnyObject(Words);
        for (int seed = 0; seed < 300; seed++)
        {
            using JsonDocument document = JsonDocument.Parse(Write(constraint, Words, seed));
            document.RootElement.ValueKind.Should().Be(JsonValueKind.Object);
            ReadAll(document.RootElement);
        }
    }

    [Fact]
    public void Every_object_that_a_serializer_writes_is_let_through_in_both_styles() =>
        Values(4).Sample(
            value =>
            {
                Dictionary<string, object?> whole = new() { ["value"] = value };
                foreach (bool isIndented in new[] { false, true })
                {
                    JsonSerializerOptions style = new() { WriteIndented = isIndented };
                    string text = JsonSerializer.Serialize(whole, style);
                    Accepts(JsonConstraint.AnyObject(Words), Words, text).Should().BeTrue("of {0}", text);
                }
            },
            iter: 300);

    [Theory]
    [InlineData("{")]
    [InlineData("[1]")]
    [InlineData("{\"a\":01}")]
    [InlineData("{\"a\":1.}")]
    [InlineData("{\"a\":.5}")]
    [InlineData("{\"a\":+1}")]
    [InlineData("{\"a\":1,}")]
    [InlineData("{\"a\" \"b\"}")]
    [InlineData("{\"a\":\"\n\"}")]
    [InlineData("{\"a\":\"\\x\"}")]
    [InlineData("{\"a\":\"\\ud800\"}")]
    [InlineData("{\"a\":\"\\ud800\\u0041\"}")]
    [InlineData("{\"a\":\"\\udc00\"}")]
    [InlineData("{\"a\":nul}")]
    [InlineData("{a:1}")]
    [InlineData("{} ")]
    public void What_is_no_object_is_not_let_through(string text) =>
        Accepts(JsonConstraint.AnyObject(Bytes), Bytes, text).Should().BeFalse();

    [Theory]
    [InlineData(new byte[] { 0xC0, 0x80 })]
    [InlineData(new byte[] { 0xE0, 0x9F, 0x80 })]
    [InlineData(new byte[] { 0xED, 0xA0, 0x80 })]
    [InlineData(new byte[] { 0xF0, 0x8F, 0x80, 0x80 })]
    [InlineData(new byte[] { 0xF4, 0x90, 0x80, 0x80 })]
    [InlineData(new byte[] { 0xFF })]
    [InlineData(new byte[] { 0xC3 })]
    public void Bytes_that_are_no_UTF_8_are_not_let_through(byte[] bytes)
    {
        int[] ids = [.. Bytes.Encode("{\"a\":\""), .. bytes, .. Bytes.Encode("\"}")];

        Accepts(JsonConstraint.AnyObject(Bytes), ids).Should().BeFalse();
    }

    [Fact]
    public void Values_without_a_schema_nest_sixty_levels_and_no_more()
    {
        string Nested(int levels) => new StringBuilder().Insert(0, "{\"a\":", levels).Append('1').Append('}', levels)
            .ToString();

        Accepts(JsonConstraint.AnyObject(Bytes), Bytes, Nested(60)).Should().BeTrue();
        Accepts(JsonConstraint.AnyObject(Bytes), Bytes, Nested(61)).Should().BeFalse();
    }

    [Theory]
    [InlineData("{\"age\": 3, \"kind\": \"a\"}", true)]
    [InlineData("{\"name\":\"n\",\"age\":null,\"size\":-0.5e-3,\"kind\":{\"x\":[1]}}", true)]
    [InlineData("{\"age\":3,\"kind\":3,\"parent\":{\"age\":1,\"kind\":\"a\"},\"place\":{\"p\":1},\"any\":[]}", true)]
    [InlineData("{\"age\":3,\"kind\":\"b\\\"ä\",\"tags\":[\"x\",\"y\"],\"no\\\"te\":[\"z\"]}", true)]
    [InlineData("{\"kind\":\"a\"}", false)]
    [InlineData("{\"age\":3,\"kind\":\"c\"}", false)]
    [InlineData("{\"age\":3.5,\"kind\":\"a\"}", false)]
    [InlineData("{\"age\":3,\"kind\":\"a\",\"tags\":[]}", false)]
    [InlineData("{\"age\":3,\"kind\":\"a\",\"tags\":[\"1\",\"2\",\"3\",\"4\"]}", false)]
    [InlineData("{\"age\":3,\"kind\":\"a\",\"other\":1}", false)]
    [InlineData("{\"age\":3,\"kind\":\"a\",\"parent\":{}}", false)]
    public void A_schema_lets_through_what_it_allows(string text, bool isAllowed)
    {
        using JsonDocument schema = JsonDocument.Parse(Person);

        Accepts(JsonConstraint.OfSchema(Words, schema.RootElement), Words, text).Should().Be(isAllowed);
    }

    [Theory]
    [InlineData("""{"type": "string", "pattern": "a+"}""", "#: \"pattern\"*")]
    [InlineData("""{"type": "object", "properties": {"a/b": {"minimum": 3}}}""", "#/properties/a~1b: \"minimum\"*")]
    [InlineData("""{"oneOf": [{}]}""", "#: \"oneOf\"*")]
    [InlineData("""{"anyOf": [{}], "type": "string"}""", "#: \"type\" beside \"anyOf\"*")]
    [InlineData("""{"type": "string", "format": "uri"}""", "#: the format \"uri\"*")]
    [InlineData("""{"$ref": "https://example.org/schema"}""", "#: expected a $ref within the schema*")]
    [InlineData("""{"type": "object", "required": ["a"]}""", "#/required: expected names*found \"a\"*")]
    [InlineData("""{"type": "array", "items": {"uniqueItems": true}}""", "#/items: \"uniqueItems\"*")]
    public void What_is_not_supported_is_refused_by_name(string text, string message)
    {
        using JsonDocument schema = JsonDocument.Parse(text);

        FluentActions.Invoking(() => JsonConstraint.OfSchema(Bytes, schema.RootElement))
            .Should().Throw<NotSupportedException>().WithMessage($"JSON schema, {message}");
    }

    [Theory]
    [InlineData("false")]
    [InlineData("3")]
    [InlineData("""{"type": "text"}""")]
    [InlineData("""{"type": []}""")]
    [InlineData("""{"enum": []}""")]
    [InlineData("""{"type": "integer", "enum": ["a"]}""")]
    [InlineData("""{"anyOf": []}""")]
    [InlineData("""{"$ref": "#"}""")]
    [InlineData("""{"anyOf": [{"type": "null"}, {"$ref": "#"}]}""")]
    [InlineData("""{"$ref": "#/$defs/none"}""")]
    [InlineData("""{"type": "array", "minItems": 3, "maxItems": 2}""")]
    [InlineData("""{"type": "array", "minItems": -1}""")]
    [InlineData("""{"properties": []}""")]
    public void What_is_no_schema_is_refused(string text)
    {
        using JsonDocument schema = JsonDocument.Parse(text);

        FluentActions.Invoking(() => JsonConstraint.OfSchema(Bytes, schema.RootElement))
            .Should().Throw<InvalidDataException>().WithMessage("JSON schema, #*");
    }

    [Fact]
    public void A_stop_token_is_allowed_at_the_end_alone_and_a_text_that_is_whole_needs_none()
    {
        using JsonDocument schema = JsonDocument.Parse("""{"type": "integer"}""");
        TokenConstraintState number = JsonConstraint.OfSchema(Words, schema.RootElement).Start([Stop]);
        TokenConstraintState whole = JsonConstraint.AnyObject(Words).Start([Stop]);

        Allowed(number).Should().NotContain(Stop);
        number.Advance(Words.IdOf("3")!.Value);
        Allowed(number).Should().Contain(Stop);
        number.IsComplete.Should().BeFalse();
        Array.ForEach(Words.Encode("{}"), whole.Advance);
        whole.IsComplete.Should().BeTrue();
    }

    [Fact]
    public void A_vocabulary_that_lacks_a_character_is_refused_with_a_reason()
    {
        TextTokenizer poor = TextTokenizer.Create(new() { Model = "gpt2", Tokens = ["a", "b"], Merges = [] });
        TokenConstraintState state = JsonConstraint.AnyObject(poor).Start([]);

        FluentActions.Invoking(() => state.Mask(new float[2])).Should().Throw<InvalidOperationException>()
            .WithMessage("*no token that can follow*");
    }

    /// <summary>Writes a text of random tokens, in favour of those that end it.</summary>
    private static string Write(TokenConstraint constraint, TextTokenizer tokenizer, int seed)
    {
        int size = tokenizer.VocabularySize;
        TokenConstraintState state = constraint.Start([Stop]);
        Random random = new(seed);
        List<int> ids = [];
        float[] logits = new float[size + 3]; // a model has more rows than tokens
        while (true)
        {
            // What closes is likelier the longer the text is, so that every text ends.
            double pull = ids.Count / 20.0;
            for (int id = 0; id < logits.Length; id++)
            {
                string? token = id < size ? tokenizer.TokenOf(id) : null;
                bool closes = id == Stop || token?.Any(c => c is '"' or '}' or ']') == true;
                bool opens = token?.Any(c => c is '{' or '[' or ',') == true;
                logits[id] = (float)(random.NextDouble() * 3) + (closes ? (float)pull : opens ? -(float)pull : 0);
            }

            state.Mask(logits);
            logits[size..].Should().OnlyContain(logit => float.IsNegativeInfinity(logit));
            int next = Array.IndexOf(logits, logits.Max());
            logits[next].Should().NotBe(float.NegativeInfinity);
            if (next == Stop)
            {
                break;
            }

            ids.Add(next);
            ids.Count.Should().BeLessThan(5000);
            state.Advance(next);
            if (state.IsComplete)
            {
                break;
            }
        }

        return tokenizer.Decode([.. ids]);
    }

    private static bool Accepts(TokenConstraint constraint, TextTokenizer tokenizer, string text) =>
        Accepts(constraint, tokenizer.Encode(text));

    private static bool Accepts(TokenConstraint constraint, int[] ids)
    {
        TokenConstraintState state = constraint.Start([Stop]);
        foreach (int id in ids)
        {
            if (!Allowed(state).Contains(id))
            {
                return false;
            }

            state.Advance(id);
        }

        return Allowed(state).Contains(Stop);
    }

    private static HashSet<int> Allowed(TokenConstraintState state)
    {
        float[] logits = new float[280];
        state.Mask(logits);
        return [.. Enumerable.Range(0, logits.Length).Where(id => logits[id] == 0)];
    }

    private static Gen<object?> Values(int depth)
    {
        Gen<object?> plain = Gen.OneOf(
            Gen.String.Select(text => (object?)text.Replace('\uD800', ' ')),
            Gen.Int.Select(number => (object?)number),
            Gen.Double[-1e9, 1e9].Select(number => (object?)Math.Round(number, 4)),
            Gen.Bool.Select(flag => (object?)flag),
            Gen.Const((object?)null));
        return depth == 0 ? plain : Gen.OneOf(
            plain,
            Values(depth - 1).Array[0, 3].Select(items => (object?)items),
            Gen.Select(Gen.String[Gen.Char['a', 'z'], 0, 3], Values(depth - 1)).Array[0, 3].Select(members =>
                (object?)members.DistinctBy(member => member.Item1).ToDictionary(one => one.Item1, one => one.Item2)));
    }

    private static void ReadAll(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (JsonProperty member in element.EnumerateObject())
                {
                    member.Name.Should().NotBeNull();
                    ReadAll(member.Value);
                }

                break;
            case JsonValueKind.Array:
                foreach (JsonElement item in element.EnumerateArray())
                {
                    ReadAll(item);
                }

                break;
            case JsonValueKind.String:
                element.GetString().Should().NotBeNull();
                break;
            case JsonValueKind.Number:
                element.GetDouble().Should().Match(number => double.IsFinite(number));
                break;
        }
    }
}
