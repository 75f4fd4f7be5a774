using Mamba.Tests.Checkpoints;
using Mamba.Text;
using Mamba.Text.Files;

namespace Mamba.Tests.Text;

/// <summary>Files <c>tokenizer.model</c>, and vocabularies with scores.</summary>
public class SentencePieceTests
{
    private static readonly TextTokenizer _tokenizer = SentencePieceFile.Read(SentencePieceFiles.BytePairs(), new());

    [Theory]
    [InlineData("the", "<s> ▁the")]
    [InlineData("", "<s>")]
    [InlineData(" the", "<s> ▁ ▁the")] // the space in front is added to the one that is there
    [InlineData("then", "<s> ▁the n")]
    [InlineData("hein", "<s> ▁ he in")]
    [InlineData("日é", "<s> ▁ 日 <0xC3> <0xA9>")] // é has no piece
    [InlineData("t</s>the", "<s> ▁t </s> ▁the")]
    [InlineData("the[ X]the", "<s> ▁the [ X] ▁the")] // a user-defined piece
    public void Pieces_of_high_scores_are_made_first(string text, string expected)
    {
        int[] ids = _tokenizer.Encode(text);

        string.Join(' ', ids.Select(_tokenizer.TokenOf)).Should().Be(expected);
    }

    [Theory]
    [InlineData("the")]
    [InlineData("  the in")]
    [InlineData("日本 é 🎉")]
    public void Text_comes_back(string text) =>
        _tokenizer.Decode(_tokenizer.Encode(text), skipSpecialTokens: true).Should().Be(text);

    [Fact]
    public void Special_tokens_of_the_file_and_of_the_configuration_are_known()
    {
        TextTokenizer configured = SentencePieceFile.Read(
            SentencePieceFiles.BytePairs(), new() { EndToken = "▁the", AddBeginToken = false, AddEndToken = true });

        (_tokenizer.BeginToken, _tokenizer.EndToken, _tokenizer.UnknownToken).Should().Be((1, 2, 0));
        string.Join(' ', configured.Encode("in").Select(configured.TokenOf)).Should().Be("▁ in ▁the");
    }

    [Fact]
    public void A_folder_with_tokenizer_model_is_loaded()
    {
        using TemporaryFolder folder = new();
        File.WriteAllBytes(Path.Combine(folder.Path, "tokenizer.model.v3"), SentencePieceFiles.BytePairs());

        TextTokenizer.Load(folder.Path).Encode("the").Should().HaveCount(2);
    }

    [Fact]
    public void Other_kinds_of_models_are_refused_by_name()
    {
        Action unigram = () => SentencePieceFile.Read(SentencePieceFiles.BytePairs(modelType: 1), new());
        Action map = () => SentencePieceFile.Read(SentencePieceFiles.BytePairs(charsmap: [1, 2, 3]), new());
        Action cut = () => SentencePieceFile.Read(SentencePieceFiles.BytePairs().AsSpan(0, 50), new());

        unigram.Should().Throw<NotSupportedException>().WithMessage("*unigram*");
        map.Should().Throw<NotSupportedException>().WithMessage("*map of characters*");
        cut.Should().Throw<InvalidDataException>().WithMessage("*does not end*");
    }

    [Fact]
    public void Of_equal_scores_the_leftmost_pair_is_merged()
    {
        TextTokenizer tokenizer = TextTokenizer.Create(new()
        {
            Model = "llama",
            Tokens = ["a", "b", "ab", "ba", "▁"],
            Scores = [-9, -9, -1, -1, -9],
            AddSpacePrefix = false,
        });

        tokenizer.Encode("bab").Should().Equal(3, 1);
    }
}
