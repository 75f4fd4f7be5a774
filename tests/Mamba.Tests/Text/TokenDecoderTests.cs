using System.Text.Json;
using Mamba.Text;
using Mamba.Text.Files;

namespace Mamba.Tests.Text;

/// <summary>Text from tokens that come one by one.</summary>
public class TokenDecoderTests
{
    public static TheoryData<string> Names => [.. TokenizerFamilies.All.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void The_texts_of_a_stream_together_are_the_decoded_text_and_no_half_character_is_printed(string name)
    {
        TextTokenizer tokenizer = TokenizerJson.Read(
            JsonSerializer.SerializeToUtf8Bytes(TokenizerFamilies.All[name]()), new());
        Random random = new(1);
        for (int i = 0; i < 200; i++)
        {
            int[] ids = tokenizer.Encode(RandomText.Next(random, ["<s>", "日本語", "🎉🚀", "é"]));
            TokenDecoder decoder = tokenizer.CreateDecoder();

            string[] texts = [.. ids.Select(decoder.Append), decoder.Finish()];

            string whole = tokenizer.Decode(ids);
            string.Concat(texts).Should().Be(whole);
            if (!whole.Contains('\uFFFD'))
            {
                texts.Where(text => text.Length > 0 && char.IsLowSurrogate(text[0])).Should().BeEmpty();
            }
        }
    }

    [Theory]
    [InlineData("gpt-neox")]
    [InlineData("llama-3, bamba")]
    [InlineData("no decoder")]
    public void A_stream_of_any_tokens_is_the_decoded_text(string name)
    {
        TextTokenizer tokenizer = TokenizerJson.Read(
            JsonSerializer.SerializeToUtf8Bytes(TokenizerFamilies.All[name]()), new());
        Random random = new(2);
        for (int i = 0; i < 300; i++)
        {
            int[] ids = [.. Enumerable.Range(0, 20).Select(_ => random.Next(tokenizer.VocabularySize + 5))];
            TokenDecoder decoder = tokenizer.CreateDecoder(skipSpecialTokens: true);

            string text = string.Concat(ids.Select(decoder.Append)) + decoder.Finish();

            text.Should().Be(tokenizer.Decode(ids, skipSpecialTokens: true));
        }
    }

    [Fact]
    public void A_character_appears_with_its_last_byte()
    {
        ByteTokenizer tokenizer = new();
        TokenDecoder decoder = tokenizer.CreateDecoder();

        string[] texts = [.. tokenizer.Encode("é日🎉").Select(decoder.Append)];

        texts.Should().Equal("", "é", "", "", "日", "", "", "", "🎉");
        decoder.Append(0xE6).Should().BeEmpty();
        decoder.Finish().Should().Be("\uFFFD");
    }

    [Fact]
    public void Bytes_between_pieces_that_are_no_UTF8_are_replaced_one_by_one()
    {
        TextTokenizer tokenizer = SentencePieceFile.Read(SentencePieceFiles.BytePairs(), new());
        int[] ids = [.. new[] { "<0xE6>", "<0x97>", "t", "<0xC3>", "<0xA9>", "<0xFF>" }.Select(
            token => tokenizer.IdOf(token)!.Value)];

        tokenizer.Decode(ids).Should().Be("\uFFFD\uFFFDt\uFFFD\uFFFD\uFFFD");
    }

    [Fact]
    public void Spaces_at_the_end_are_held_back_until_text_follows_them()
    {
        Mamba.Text.Decoding.TextSink sink = new();
        Mamba.Text.Decoding.StripStep strip = new(sink, '_', start: 1, stop: 2);
        List<string> texts = [];
        foreach (string text in new[] { "_", "_a", "_", "_", "_", "b__", "c_", "_" })
        {
            strip.Push(text);
            texts.Add(sink.Take());
        }

        strip.End();

        texts.Should().Equal("", "_a", "", "", "_", "__b", "__c", "");
        sink.Take().Should().BeEmpty();
    }
}
