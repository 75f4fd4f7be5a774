using Mamba.Models.Gguf;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Gguf;

/// <summary>Tokenizers of Hugging Face folders as GGUF has them.</summary>
public sealed class GgufTokenizerTests : IDisposable
{
    private const string Json =
        """
        {
          "added_tokens": [
            {"id": 0, "content": "<|endoftext|>", "special": true},
            {"id": 4, "content": "    ", "special": false}
          ],
          "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
          "model": {"type": "BPE", "vocab": {"<|endoftext|>": 0, "a": 1, "b": 2, "ab": 3}, "merges": ["a b"]}
        }
        """;

    private readonly TemporaryFolder _folder = new(inMemory: true);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Tokens_types_merges_and_ends_are_read()
    {
        Write(Json);
        File.WriteAllText(
            _folder["tokenizer_config.json"],
            """
            {"bos_token": "<|endoftext|>", "eos_token": {"content": "<|endoftext|>"}, "unk_token": null,
             "add_bos_token": false, "chat_template": "{{ x }}"}
            """);

        GgufTokenizer tokenizer = GgufTokenizer.FromFolder(_folder.Path);

        tokenizer.Tokens.Should().Equal("<|endoftext|>", "a", "b", "ab", "    ");
        tokenizer.TokenTypes.Should().Equal(3, 1, 1, 1, 4);
        tokenizer.Merges.Should().Equal("a b");
        (tokenizer.Model, tokenizer.Pre).Should().Be(("gpt2", "gpt-2"));
        (tokenizer.BeginOfText, tokenizer.EndOfText, tokenizer.Unknown).Should().Be((0, 0, null));
        (tokenizer.AddBeginOfText, tokenizer.AddEndOfText).Should().Be((false, null));
        tokenizer.ChatTemplate.Should().Be("{{ x }}");
    }

    [Fact]
    public void The_words_of_Llama_3_have_their_name_and_merges_may_be_pairs()
    {
        string pattern =
            @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" +
            @"|\s*[\r\n]+|\s+(?!\S)|\s+";
        Write(Json
            .Replace(
                "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true}",
                "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"behavior\": \"Isolated\", " +
                $"\"pattern\": {{\"Regex\": {System.Text.Json.JsonSerializer.Serialize(pattern)}}}}}, " +
                "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": false}]}")
            .Replace("[\"a b\"]", "[[\"a\", \"b\"]]"));

        GgufTokenizer tokenizer = GgufTokenizer.FromFolder(_folder.Path);

        tokenizer.Pre.Should().Be("llama-bpe");
        tokenizer.Merges.Should().Equal("a b");
    }

    [Theory]
    [InlineData("\"BPE\"", "\"Unigram\"", "*tokenizer.json: the model is Unigram; supported is BPE.")]
    [InlineData("\"ByteLevel\"", "\"Metaspace\"", "*the pre-tokenizer is Metaspace; supported are those of GPT-2*")]
    [InlineData("\"add_prefix_space\": false", "\"add_prefix_space\": true", "*the pre-tokenizer is ByteLevel*")]
    public void What_llama_does_not_have_is_refused_by_name(string old, string replacement, string message)
    {
        Write(Json.Replace(old, replacement));

        Action read = () => GgufTokenizer.FromFolder(_folder.Path);

        read.Should().Throw<NotSupportedException>().WithMessage(message);
    }

    [Theory]
    [InlineData("{", "[", "*expected a tokenizer; found*")]
    [InlineData("\"vocab\"", "\"words\"", "*expected a tokenizer; found*")]
    [InlineData("\"ab\": 3", "\"ab\": 5", "*expected a token for every id; found none for 3.")]
    [InlineData("\"ab\": 3", "\"ab\": -3", "*token \"ab\": expected an id from 0*found -3.")]
    [InlineData("\"ab\": 3", "\"ab\": \"3\"", "*expected a tokenizer; found*")]
    [InlineData("\"ab\": 3", "\"ab\": 2000000000", "*token \"ab\": expected an id from 0*found 2000000000.")]
    [InlineData("[\"a b\"]", "[null]", "*expected a tokenizer; found*")]
    public void A_damaged_file_is_refused(string old, string replacement, string message)
    {
        Write(Json.Replace(old, replacement));

        Action read = () => GgufTokenizer.FromFolder(_folder.Path);

        read.Should().Throw<InvalidDataException>().WithMessage(message);
    }

    private void Write(string json) => File.WriteAllText(_folder["tokenizer.json"], json);
}
