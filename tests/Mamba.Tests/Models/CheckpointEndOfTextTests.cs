using Mamba.Layers;
using Mamba.Models;

namespace Mamba.Tests.Models;

/// <summary>The tokens that end a text, in both formats and the file beside config.json.</summary>
public sealed class CheckpointEndOfTextTests : IDisposable
{
    private static readonly LanguageModelConfig HuggingFace =
        CheckpointFolder.Of(new MambaMixerOptions { ModelDim = 8 });

    private static readonly LanguageModelConfig Original = new()
    {
        VocabularySize = 11,
        Layers = [new MambaMixerOptions { ModelDim = 8 }, new AttentionMixerOptions { ModelDim = 8, Heads = 2 }],
    };

    private readonly CheckpointFolder _folder = new();

    private string Beside
    {
        get => File.ReadAllText(_folder["generation_config.json"]);
        set => File.WriteAllText(_folder["generation_config.json"], value);
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("3", new[] { 3 })]
    [InlineData("3.0", new[] { 3 })]
    [InlineData("[3, 7]", new[] { 3, 7 })]
    [InlineData("[3, 7, 3]", new[] { 3, 7 })]
    [InlineData("[]", new int[0])]
    [InlineData("null", new int[0])]
    public void A_token_a_list_and_null_are_read(string json, int[] expected)
    {
        _folder.Save(HuggingFace);
        _folder.Set("eos_token_id", json);

        _folder.LoadedConfig().EndOfText.Should().Equal(expected);
    }

    [Theory]
    [InlineData("11")]
    [InlineData("-1")]
    [InlineData("[3, 11]")]
    [InlineData("2.5")]
    [InlineData("1e300")]
    [InlineData("\"</s>\"")]
    [InlineData("true")]
    [InlineData("{}")]
    [InlineData("[[3]]")]
    [InlineData("[null]")]
    public void What_is_no_token_of_the_vocabulary_is_refused_by_key(string json)
    {
        _folder.Save(HuggingFace);
        _folder.Set("eos_token_id", json);

        _folder.ShouldRefuse<InvalidDataException>(
            "*config.json: \"eos_token_id\": expected an integer from 0 to 10; found *vocabulary, which has 11.");
    }

    [Fact]
    public void A_token_that_only_pads_the_vocabulary_ends_no_text()
    {
        _folder.Save(HuggingFace with { VocabularyMultiple = 8 });
        _folder.Set("eos_token_id", "12");

        _folder.ShouldRefuse<InvalidDataException>("*eos_token_id*from 0 to 10; found 12*");
    }

    [Fact]
    public void The_tokens_of_both_files_end_a_text()
    {
        _folder.Save(HuggingFace with { EndOfText = [3] });
        Beside = """{"eos_token_id": [5, 3], "temperature": 0.7}""";

        _folder.LoadedConfig().EndOfText.Should().Equal(3, 5);
    }

    [Theory]
    [InlineData("""{"eos_token_id": 99}""", "*generation_config.json: \"eos_token_id\"*found 99*which has 11*")]
    [InlineData("""{"eos_token_id": "x"}""", "*generation_config.json: \"eos_token_id\"*")]
    [InlineData("""[]""", "*generation_config.json: expected a JSON object*")]
    [InlineData("""{"x": "\ud800"}""", "*generation_config.json: *surrogate*")]
    public void A_wrong_file_beside_the_configuration_is_refused_by_name(string json, string message)
    {
        _folder.Save(HuggingFace);
        Beside = json;

        _folder.ShouldRefuse<InvalidDataException>(message);
    }

    [Theory]
    [InlineData(new[] { 3 }, "\"eos_token_id\": 3\n")]
    [InlineData(new[] { 3, 7 }, "\"eos_token_id\": [\n    3,\n    7\n  ]\n")]
    [InlineData(new int[0], "\"eos_token_id\": null\n")] // without it, Hugging Face's classes have a default
    public void Hugging_Faces_configuration_has_the_tokens(int[] tokens, string expected)
    {
        _folder.Save(HuggingFace with { EndOfText = tokens });

        _folder.Config.Should().Contain(expected);
        File.Exists(_folder["generation_config.json"]).Should().BeFalse();
        _folder.LoadedConfig().EndOfText.Should().Equal(tokens);
    }

    [Theory]
    [InlineData(new[] { 3 })]
    [InlineData(new[] { 3, 7 })]
    [InlineData(new int[0])]
    public void The_original_formats_tokens_stand_beside_its_configuration(int[] tokens)
    {
        _folder.Save(Original with { EndOfText = tokens });

        _folder.Config.Should().NotContain("eos_token_id", "its Python class refuses keys that it does not know");
        File.Exists(_folder["generation_config.json"]).Should().Be(tokens.Length > 0);
        _folder.LoadedConfig().EndOfText.Should().Equal(tokens);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_an_earlier_save_has_left_is_replaced_and_other_keys_stay(bool isOriginal)
    {
        LanguageModelConfig config = isOriginal ? Original : HuggingFace;
        _folder.Save(Original with { EndOfText = [3, 4] });
        Beside = """{"temperature": 0.7, "eos_token_id": [3, 4], "nested": {"a": [1, 2.50]}, "limit": Infinity}""";

        _folder.Save(config with { EndOfText = [5] });
        _folder.LoadedConfig().EndOfText.Should().Equal(5);
        Beside.Should().Contain("\"temperature\": 0.7").And.Contain("\"nested\": {\"a\": [1, 2.50]}")
            .And.Contain("Infinity");

        _folder.Save(config);
        _folder.LoadedConfig().EndOfText.Should().BeEmpty();
        Beside.Should().Contain("\"temperature\": 0.7");
    }

    [Fact]
    public void A_broken_file_of_an_earlier_save_does_not_void_the_new_one()
    {
        _folder.Save(HuggingFace);
        Beside = "{\"eos_token_id\":";

        _folder.Save(HuggingFace with { EndOfText = [2] });

        _folder.LoadedConfig().EndOfText.Should().Equal(2);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(11)]
    public void A_configuration_with_a_token_beyond_the_vocabulary_is_refused(int token)
    {
        Action validate = (HuggingFace with { EndOfText = [0, token], VocabularyMultiple = 8 }).Validate;

        validate.Should().Throw<ArgumentOutOfRangeException>()
            .WithMessage("EndOfText*0 to 10*").WithParameterName("EndOfText");
    }
}
