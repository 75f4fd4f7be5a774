using Mamba.Text;

namespace Mamba.Tests.Text;

/// <summary>The tokenizer of byte models.</summary>
public class ByteTokenizerTests
{
    private readonly ByteTokenizer _tokenizer = new();

    [Fact]
    public void Tokens_are_the_bytes_of_UTF8()
    {
        int[] ids = _tokenizer.Encode("née \uD800");

        ids.Should().Equal(110, 0xC3, 0xA9, 101, 32, 0xEF, 0xBF, 0xBD);
        _tokenizer.Decode(ids).Should().Be("née \uFFFD");
    }

    [Fact]
    public void Every_byte_has_a_spelling_and_back()
    {
        _tokenizer.VocabularySize.Should().Be(256);
        for (int id = 0; id < 256; id++)
        {
            _tokenizer.IdOf(_tokenizer.TokenOf(id)!).Should().Be(id);
        }

        (_tokenizer.TokenOf(256), _tokenizer.TokenOf(-1), _tokenizer.IdOf("日"), _tokenizer.IdOf("ab")).Should().Be(
            (null, null, null, null));
        (_tokenizer.BeginToken, _tokenizer.EndToken, _tokenizer.IsSpecial(0)).Should().Be((null, null, false));
        _tokenizer.Decode([256, -1, 65]).Should().Be("A");
    }
}
