using System.Text.Json;
using System.Text.Json.Nodes;
using Mamba.Tests.Checkpoints;
using Mamba.Tests.Fuzz;
using Mamba.Text;
using Mamba.Text.Files;

namespace Mamba.Tests.Text;

/// <summary>The file <c>tokenizer.json</c> and those beside it.</summary>
public class TokenizerFileTests
{
    private const string Small =
        """
        {"added_tokens": [{"id": 4, "content": "<s>", "special": true}, {"id": 5, "content": "</s>", "special": true}],
         "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "a b": 3}, "merges": ["a b"]}}
        """;

    [Theory]
    [InlineData("""{"bos_token": "<s>", "eos_token": {"content": "</s>"}}""", "ab")]
    [InlineData("""{"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": true}""", "<s> ab")]
    [InlineData(
        """{"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": true, "add_eos_token": true}""",
        "<s> ab </s>")]
    [InlineData("""{"add_bos_token": true}""", "ab")]
    public void The_configuration_says_which_tokens_are_added(string config, string expected)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(Path.Combine(folder.Path, "tokenizer.json"), Small);
        File.WriteAllText(Path.Combine(folder.Path, "tokenizer_config.json"), config);

        TextTokenizer tokenizer = TextTokenizer.Load(folder.Path);

        string.Join(' ', tokenizer.Encode("ab").Select(tokenizer.TokenOf)).Should().Be(expected);
        tokenizer.Encode("ab", addSpecialTokens: false).Should().Equal(2);
    }

    [Fact]
    public void The_configuration_overrules_the_template()
    {
        JsonObject file = TokenizerFamilies.All["llama-3, bamba"]();
        TokenizerConfig config = new() { BeginToken = "<s>", AddBeginToken = false };

        TextTokenizer tokenizer = TokenizerJson.Read(JsonSerializer.SerializeToUtf8Bytes(file), config);

        tokenizer.Encode("a").Should().NotContain(tokenizer.BeginToken!.Value);
    }

    [Fact]
    public void Tokens_and_templates_come_from_the_files_beside_it()
    {
        using TemporaryFolder folder = new();
        string path = Path.Combine(folder.Path, "tokenizer.json");
        File.WriteAllText(path, Small);
        File.WriteAllText(
            Path.Combine(folder.Path, "tokenizer_config.json"),
            """
            {"chat_template": [{"name": "tools", "template": "x"}, {"name": "default", "template": "y"}],
             "pad_token": "a"}
            """);
        File.WriteAllText(
            Path.Combine(folder.Path, "special_tokens_map.json"), """{"bos_token": "<s>", "eos_token": null}""");

        TextTokenizer tokenizer = TextTokenizer.Load(path);
        File.WriteAllText(Path.Combine(folder.Path, "chat_template.jinja"), "z");

        (tokenizer.BeginToken, tokenizer.EndToken, tokenizer.PaddingToken).Should().Be((4, null, 0));
        tokenizer.ChatTemplate.Should().Be("y");
        TextTokenizer.Load(folder.Path).ChatTemplate.Should().Be("z");
        (tokenizer.VocabularySize, tokenizer.IdOf("ab"), tokenizer.IdOf("</s>"), tokenizer.IdOf("c")).Should().Be(
            (6, 2, 5, null));
        (tokenizer.IsSpecial(4), tokenizer.IsSpecial(0), tokenizer.TokenOf(9)).Should().Be((true, false, null));
    }

    [Fact]
    public void Merges_may_be_lists_and_then_have_spaces_in_tokens()
    {
        JsonNode file = JsonNode.Parse(Small)!;
        file["model"]!["vocab"]!["a "] = 6;
        file["model"]!["vocab"]![" "] = 7;
        file["model"]!["merges"] = JsonNode.Parse("""[["a", " "], ["a ", "b"]]""");

        TextTokenizer tokenizer = Read(file);

        tokenizer.Encode("a b").Should().Equal(3);
    }

    [Fact]
    public void Special_tokens_in_the_text_count_where_they_are_asked_for()
    {
        TextTokenizer tokenizer = Read(TokenizerFamilies.All["gpt-2, granite"]());
        int special = tokenizer.IdOf("<|im_start|>")!.Value;

        tokenizer.Encode("a<|im_start|>b").Should().HaveCount(3).And.HaveElementAt(1, special);
        tokenizer.Encode("a<|im_start|>b", recognizeSpecialTokens: false).Should().NotContain(special);
        tokenizer.Decode([special, tokenizer.IdOf("a")!.Value]).Should().Be("<|im_start|>a");
        tokenizer.Decode([special, tokenizer.IdOf("a")!.Value], skipSpecialTokens: true).Should().Be("a");
    }

    [Fact]
    public void A_half_of_a_surrogate_pair_is_the_replacement_character()
    {
        TextTokenizer tokenizer = Read(TokenizerFamilies.All["llama-3, bamba"]());
        Random random = new(3);
        for (int i = 0; i < 300; i++)
        {
            string text = RandomText.Next(random, [], halves: true);
            string whole = System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(text));

            tokenizer.Encode(text).Should().Equal(tokenizer.Encode(whole));
            tokenizer.Decode(tokenizer.Encode(text), skipSpecialTokens: true).Should().Be(whole);
        }
    }

    [Theory]
    [InlineData("model.type", "\"WordPiece\"", "*WordPiece*")]
    [InlineData("model.type", "\"Unigram\"", "*Unigram*")]
    [InlineData("model.dropout", "0.1", "*dropout*")]
    [InlineData("model.end_of_word_suffix", "\"</w>\"", "*end_of_word_suffix*")]
    [InlineData("normalizer", """{"type": "Precompiled", "precompiled_charsmap": ""}""", "*Precompiled*")]
    [InlineData("pre_tokenizer", """{"type": "UnicodeScripts"}""", "*UnicodeScripts*")]
    [InlineData(
        "pre_tokenizer", """{"type": "Split", "pattern": {"Regex": "[a&&b]"}, "behavior": "Isolated"}""",
        "*\"&\" in a set*")]
    [InlineData(
        "pre_tokenizer", """{"type": "Split", "pattern": {"Regex": "\\p{Han}"}, "behavior": "Isolated"}""",
        "*\"Han\"*")]
    [InlineData(
        "pre_tokenizer", """{"type": "Split", "pattern": {"Regex": "\\h"}, "behavior": "Isolated"}""",
        "*\"\\h\"*")]
    [InlineData(
        "pre_tokenizer", """{"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated"}""",
        "*does not end*")]
    [InlineData(
        "pre_tokenizer", """{"type": "Split", "pattern": {"Regex": "𐐀"}, "behavior": "Isolated"}""",
        "*beyond U+FFFF*")]
    [InlineData("post_processor", """{"type": "BertProcessing"}""", "*BertProcessing*")]
    [InlineData("decoder", """{"type": "WordPiece"}""", "*WordPiece*")]
    [InlineData(
        "decoder", """{"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "ByteFallback"}]}""",
        "*after Fuse*")]
    public void What_is_not_supported_is_refused_by_name(string key, string value, string message)
    {
        Action read = () => Read(With(key, value));

        read.Should().Throw<NotSupportedException>().WithMessage(message);
    }

    [Theory]
    [InlineData("model.vocab", """{"a": -1}""", "*whole number*")]
    [InlineData("model.vocab", """{"a": 2147483647}""", "*not below*")]
    [InlineData("model.vocab", "[]", "*must be an object*")]
    [InlineData("model.merges", """["a c"]""", "*\"c\", which is not in the vocabulary*")]
    [InlineData("model.merges", """["ab"]""", "*\"ab\" is not two tokens*")]
    [InlineData("model.merges", """[["a"]]""", "*two tokens, but has 1*")]
    [InlineData("model.unk_token", "\"x\"", "*\"x\" is not in the vocabulary*")]
    [InlineData("model", "null", "*must be an object*")]
    [InlineData("added_tokens", """[{"content": "x"}]""", "*id must be a whole number*")]
    public void What_is_wrong_is_refused_by_message(string key, string value, string message)
    {
        Action read = () => Read(With(key, value));

        read.Should().Throw<InvalidDataException>().WithMessage(message);
    }

    [Fact]
    public void A_file_that_is_no_JSON_or_is_not_there_is_refused()
    {
        Action json = () => TokenizerJson.Read("{"u8.ToArray(), new());
        Action half = () => TokenizerJson.Read(
            System.Text.Encoding.UTF8.GetBytes(Small.Replace("</s>", "\\ud800", StringComparison.Ordinal)), new());
        Action absent = () => TextTokenizer.Load(Path.Combine(Path.GetTempPath(), "there-is-no-such-folder"));

        half.Should().Throw<InvalidDataException>().WithMessage("*content is no valid text*");
        json.Should().Throw<InvalidDataException>().WithMessage("*no JSON*");
        absent.Should().Throw<FileNotFoundException>().WithMessage("*tokenizer.json*");
    }

    [Fact]
    public void A_long_word_takes_no_quadratic_time()
    {
        TextTokenizer tokenizer = Read(TokenizerFamilies.All["mistral, zamba2, jamba, codestral"]());
        string text = string.Concat(Enumerable.Repeat("theGodandlight", 100_000));

        string back = tokenizer.Decode(tokenizer.Encode(text), skipSpecialTokens: true);

        back.Should().Be(text);
    }

    [Fact]
    public async Task Many_threads_use_one_tokenizer()
    {
        TextTokenizer tokenizer = Read(TokenizerFamilies.All["gpt-neox"]());
        Random random = new(5);
        string[] texts = [.. Enumerable.Range(0, 500).Select(_ => RandomText.Next(random, []))];
        int[][] expected = [.. texts.Select(text => Read(TokenizerFamilies.All["gpt-neox"]()).Encode(text)).Take(9)];

        int[][][] all = await Task.WhenAll(Enumerable.Range(0, 4).Select(
            _ => Task.Run(() => texts.Select(text => tokenizer.Encode(text)).ToArray())));

        foreach (int[][] ids in all)
        {
            ids.Zip(all[0]).Should().AllSatisfy(pair => pair.First.Should().Equal(pair.Second));
            ids.Zip(expected).Should().AllSatisfy(pair => pair.First.Should().Equal(pair.Second));
        }
    }

    [Fact]
    public void Changed_files_are_read_or_refused()
    {
        byte[][] seeds = [.. TextReaders.All[0].Seeds.Select(seed => seed.Files["tokenizer.json"])];
        Random random = new(1);
        for (int i = 0; i < (Thorough.IsAsked ? 100_000 : 1000); i++)
        {
            (byte[] content, string change) = Mutation.Of("x.json", seeds[random.Next(seeds.Length)], random);
            try
            {
                TextReaders.Use(TokenizerJson.Read(content, new()));
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

    private static TextTokenizer Read(JsonNode file) =>
        TokenizerJson.Read(JsonSerializer.SerializeToUtf8Bytes(file), new());

    private static JsonNode With(string key, string value)
    {
        JsonNode file = JsonNode.Parse(Small)!;
        string[] names = key.Split('.');
        JsonNode node = names.Length == 2 ? file[names[0]]! : file;
        node[names[^1]] = JsonNode.Parse(value);
        return file;
    }
}
