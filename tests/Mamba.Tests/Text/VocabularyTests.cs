using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Text;
using Mamba.Text.Tokenizing;

namespace Mamba.Tests.Text;

/// <summary>Vocabularies in the manner of GGUF.</summary>
public class VocabularyTests
{
    private static readonly string[] _alphabet =
        [.. Enumerable.Range(0, 256).Select(value => ByteAlphabet.Of((byte)value).ToString())];

    [Fact]
    public void Control_tokens_count_where_asked_for_user_defined_ones_always_and_unused_ones_never()
    {
        TextTokenizer tokenizer = TextTokenizer.Create(Vocabulary());

        Tokens(tokenizer, "<c>é  <u>[PAD]", special: true).Should().Be("<c> Ã © ĠĠ <u> [ P A D ]");
        Tokens(tokenizer, "<c>é<u>", special: false).Should().Be("< c > Ã © <u>");
        tokenizer.Decode(tokenizer.Encode("<c>é  <u>")).Should().Be("<c>é  <u>");
    }

    [Fact]
    public void An_added_token_of_letters_beyond_ASCII_is_spelled_as_it_is()
    {
        TextTokenizer tokenizer = TextTokenizer.Create(Vocabulary() with
        {
            Tokens = [.. _alphabet, "ĠĠ", "<é>", "<u>", "[PAD]"],
        });

        tokenizer.Decode([257]).Should().Be("<é>");
    }

    [Fact]
    public void A_GGUF_file_gives_its_tokenizer()
    {
        string path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():n}.gguf");
        TokenizerVocabulary vocabulary = Vocabulary();
        try
        {
            using CpuDevice device = new(1);
            using MambaLanguageModel model = new(
                device,
                new() { VocabularySize = vocabulary.Tokens.Count, Layers = [new MambaMixerOptions { ModelDim = 8 }] },
                new Random(1));
            model.SaveGguf(path, tokenizer: new()
            {
                Model = vocabulary.Model, Tokens = vocabulary.Tokens, TokenTypes = vocabulary.Kinds,
                Merges = vocabulary.Merges, Pre = "gpt-2", BeginOfText = 257, ChatTemplate = "template",
            });

            TextTokenizer tokenizer = TextTokenizer.Load(path);

            Tokens(tokenizer, "<c>é  <u>", special: true).Should().Be("<c> Ã © ĠĠ <u>");
            (tokenizer.BeginToken, tokenizer.EndToken, tokenizer.ChatTemplate).Should().Be((257, null, "template"));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData("llama-bpe", null, true)]
    [InlineData("llama-bpe", false, false)]
    [InlineData("tekken", null, true)]
    [InlineData("gpt-2", null, false)]
    [InlineData("gpt-2", true, true)]
    public void BOS_is_added_as_the_file_says_or_by_default_of_the_rule(string rule, bool? says, bool expected)
    {
        TextTokenizer tokenizer = TextTokenizer.Create(
            Vocabulary() with { PreTokenizer = rule, BeginToken = 257, AddBeginToken = says });

        tokenizer.Encode("a").Length.Should().Be(expected ? 2 : 1);
    }

    [Theory]
    [InlineData("default")]
    [InlineData("gpt-2")]
    [InlineData("smollm")]
    [InlineData("falcon")]
    [InlineData("llama-bpe")]
    [InlineData("dbrx")]
    [InlineData("qwen2")]
    [InlineData("tekken")]
    [InlineData("gpt-4o")]
    public void Text_comes_back_by_every_rule(string rule)
    {
        TextTokenizer tokenizer = TextTokenizer.Create(Vocabulary() with { PreTokenizer = rule });
        Random random = new(1);
        for (int i = 0; i < 100; i++)
        {
            string text = RandomText.Next(random, ["<c>", "<u>"]);
            tokenizer.Decode(tokenizer.Encode(text)).Should().Be(text);
        }
    }

    [Fact]
    public void Rules_cut_words_as_their_names_say()
    {
        static string Cut(string rule, string text)
        {
            Pieces pieces = new();
            pieces.Reset(text, isFirst: true);
            foreach (string pattern in WordRule.Of(rule).Patterns)
            {
                new PatternSplit(PiecePattern.OfRegex(pattern), SplitBehavior.Isolated).Apply(pieces);
            }

            return string.Join('|', pieces.Items.Select(item => pieces.Text[item.Start..item.End]));
        }

        Cut("gpt-2", "It's 1234  x").Should().Be("It|'s| 1234| | x");
        Cut("smollm", "It's 1234").Should().Be("It|'s| |1|2|3|4");
        Cut("llama-bpe", "IT'S 1234!\n\n x").Should().Be("IT|'S| |123|4|!\n\n| x");
        Cut("qwen2", "a 12").Should().Be("a| |1|2");
        Cut("tekken", "camelCase HTTPServer/\n").Should().Be("camel|Case| HTTPServer|/\n");
        Cut("default", "a-b 1234").Should().Be("a|-|b| |123|4");
    }

    [Fact]
    public void What_contradicts_itself_or_is_not_known_is_refused()
    {
        static Action Of(TokenizerVocabulary vocabulary) => () => TextTokenizer.Create(vocabulary);

        Of(Vocabulary() with { Model = "bert" }).Should().Throw<NotSupportedException>().WithMessage("*\"bert\"*");
        Of(Vocabulary() with { PreTokenizer = "kimi-k2" }).Should()
            .Throw<NotSupportedException>().WithMessage("*kimi-k2*");
        Of(Vocabulary() with { Merges = null }).Should().Throw<InvalidDataException>().WithMessage("*merges*");
        Of(Vocabulary() with { Merges = ["Ġ x"] }).Should().Throw<InvalidDataException>().WithMessage("*\"Ġx\"*");
        Of(Vocabulary() with { Kinds = [1, 1] }).Should()
            .Throw<InvalidDataException>().WithMessage("*260 tokens and 2*");
        Of(Vocabulary() with { BeginToken = 260 }).Should()
            .Throw<InvalidDataException>().WithMessage("*BOS token is 260*");
        Of(Vocabulary() with { Model = "llama" }).Should().Throw<InvalidDataException>().WithMessage("*scores*");
    }

    private static TokenizerVocabulary Vocabulary() => new()
    {
        Model = "gpt2",
        Tokens = [.. _alphabet, "ĠĠ", "<c>", "<u>", "[PAD]"],
        Kinds = [.. Enumerable.Repeat(1, 257), 3, 4, 5],
        Merges = ["Ġ Ġ"],
        PreTokenizer = "gpt-2",
    };

    private static string Tokens(TextTokenizer tokenizer, string text, bool special) => string.Join(
        ' ', tokenizer.Encode(text, recognizeSpecialTokens: special).Select(tokenizer.TokenOf));
}
