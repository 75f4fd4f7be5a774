using System.Text;
using System.Text.RegularExpressions;
using Mamba.Checkpoints;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Checkpoints;

namespace Mamba.Tests.Models;

/// <summary>What config.json says of a model: as it is written, and as others write it.</summary>
public sealed class CheckpointConfigTests : IDisposable
{
    private static readonly Mamba2MixerOptions Grouped = new() { ModelDim = 8, StateDim = 4, HeadDim = 4, Groups = 2 };

    private readonly CheckpointFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_norm_for_each_group_is_written_in_the_original_format_which_has_it_so()
    {
        _folder.Save(CheckpointFolder.Of(Grouped));

        _folder.Config.Should().NotContain("model_type").And.Contain("\"ngroups\": 2").And.NotContain("ungrouped_norm");
        Mixer().UngroupedNorm.Should().BeFalse();
    }

    [Fact]
    public void One_norm_for_all_groups_is_written_as_Hugging_Face_has_it_with_a_key_that_says_so()
    {
        float[] logits = _folder.Save(CheckpointFolder.Of(Grouped with { UngroupedNorm = true }));

        _folder.Config.Should().Contain("\"model_type\": \"mamba2\"").And.Contain("\"ungrouped_norm\": true");
        Mixer().UngroupedNorm.Should().BeTrue();
        _folder.LoadedLogits().ShouldHaveTheBitsOf(logits);
    }

    [Fact]
    public void A_file_of_others_has_a_norm_for_each_group_unless_the_caller_says_otherwise()
    {
        _folder.Save(CheckpointFolder.Of(Grouped with { UngroupedNorm = true }));
        _folder.Config = _folder.Config.Replace(",\n  \"ungrouped_norm\": true", "", StringComparison.Ordinal);

        using MambaLanguageModel usual = _folder.Load(), ungrouped = _folder.Load(ungroupedNorm: true);

        ((Mamba2MixerOptions)usual.Config.Layers[0]).UngroupedNorm.Should().BeFalse();
        ((Mamba2MixerOptions)ungrouped.Config.Layers[0]).UngroupedNorm.Should().BeTrue();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_the_caller_says_of_the_norm_comes_before_what_the_file_says(bool ungrouped)
    {
        _folder.Save(CheckpointFolder.Of(Grouped with { UngroupedNorm = !ungrouped }));

        using MambaLanguageModel model = _folder.Load(ungrouped);

        model.Config.Layers.Cast<Mamba2MixerOptions>().Should().OnlyContain(layer => layer.UngroupedNorm == ungrouped);
    }

    [Fact]
    public void Two_norms_that_neither_format_can_express_together_are_refused()
    {
        LanguageModelConfig config = CheckpointFolder.Of(
            Grouped with { UngroupedNorm = true, LearnableInitialState = true });

        Action save = () => _folder.Save(config);

        save.Should().Throw<NotSupportedException>().WithMessage(
            "*Hugging Face's format cannot express Mamba2MixerOptions.LearnableInitialState = True, " +
            "the original format cannot express Mamba2MixerOptions.UngroupedNorm = True.");
    }

    [Fact]
    public async Task Rows_that_only_pad_the_vocabulary_are_never_drawn()
    {
        _folder.Save(LanguageModelConfig.Mamba1(modelDim: 6, layers: 1, vocabularySize: 10));
        using MambaLanguageModel model = _folder.Load();
        List<int> tokens = [];

        await foreach (int token in model.GenerateAsync(
            new int[] { 1 },
            new() { MaxTokens = 200, Sampling = new() { Temperature = 2, Seed = 1 } },
            cancellation: TestContext.Current.CancellationToken))
        {
            tokens.Add(token);
        }

        tokens.Should().HaveCount(200).And.OnlyContain(token => token < 10);
        _folder.Config.Should().Contain("\"vocab_size\": 16", "others take it for the number of rows");
    }

    [Fact]
    public void The_multiple_of_others_alone_pads_nothing()
    {
        _folder.Save(CheckpointFolder.Of(new MambaMixerOptions { ModelDim = 8 }));
        _folder.Set("pad_vocab_size_multiple", "8"); // as in state-spaces/mamba-130m-hf, perhaps resized since

        LanguageModelConfig config = _folder.LoadedConfig();

        (config.VocabularySize, config.PaddedVocabularySize).Should().Be((11, 11));
    }

    [Fact]
    public void A_vocabulary_that_does_not_pad_to_the_rows_is_refused()
    {
        _folder.Save(CheckpointFolder.Of(new MambaMixerOptions { ModelDim = 8 }) with { VocabularyMultiple = 8 });
        _folder.Set("unpadded_vocab_size", "7");

        _folder.ShouldRefuse<InvalidDataException>("*unpadded_vocab_size is 7*multiple of 8*vocab_size is 16*remove*");
    }

    [Theory]
    [InlineData(ElementType.F32, "float32")]
    [InlineData(ElementType.BF16, "bfloat16")]
    [InlineData(ElementType.F16, "float16")]
    public void The_configuration_says_how_weights_are_stored(ElementType type, string expected)
    {
        _folder.Save(CheckpointFolder.Of(new MambaMixerOptions { ModelDim = 8 }), type);

        _folder.Config.Should().Contain($"\"torch_dtype\": \"{expected}\"");
    }

    [Theory]
    [InlineData("2", 16)]
    [InlineData("2.0", 16)]
    [InlineData("1.5", 12)]
    [InlineData("1.4", 11)] // int(11.2)
    [InlineData("0.2", 1)] // int(1.6)
    public void An_expansion_is_multiplied_as_Python_does(string expand, int inner)
    {
        ConfigJson json = ConfigJson.Parse(Encoding.UTF8.GetBytes($$"""{"expand": {{expand}}}"""), "config.json");

        Expansion.InnerDim(json, 8).Should().Be(inner);
    }

    [Theory]
    [InlineData(16, 8, "2")]
    [InlineData(12, 8, "1.5")]
    [InlineData(11, 8, "1.375")] // 1.4 would be cut to 11, too, but Hugging Face's Mamba-2 compares before it cuts
    [InlineData(10, 6, "1.6666666666666667")]
    [InlineData(1, 49, "0.020408163265306124")]
    public void An_expansion_is_written_as_the_shortest_fraction_that_gives_the_width(
        int inner, int dim, string expected)
    {
        ConfigJsonWriter json = new();

        Expansion.Add(json, inner, dim);

        json.ToString().Should().Be($"{{\n  \"expand\": {expected}\n}}\n");
    }

    [Fact]
    public void Every_width_is_read_back_from_its_expansion()
    {
        for (int dim = 1; dim < 120; dim++)
        {
            for (int inner = 1; inner < 300; inner++)
            {
                ConfigJsonWriter json = new();
                Expansion.Add(json, inner, dim);

                ConfigJson read = ConfigJson.Parse(Encoding.UTF8.GetBytes(json.ToString()), "config.json");
                Expansion.InnerDim(read, dim).Should().Be(inner);
            }
        }
    }

    [Theory]
    [InlineData("hidden_size")]
    [InlineData("num_hidden_layers")]
    [InlineData("state_size")]
    [InlineData("vocab_size")]
    public void Integers_may_be_written_as_floats(string key)
    {
        float[] logits = _folder.Save(CheckpointFolder.Of(new MambaMixerOptions { ModelDim = 8 }));
        string value = Regex.Match(_folder.Config, $"\"{key}\": (\\d+)").Groups[1].Value;
        _folder.Set(key, $"{value}.0");

        _folder.LoadedLogits().ShouldHaveTheBitsOf(logits);
    }

    [Theory]
    [InlineData("[0.25, Infinity]", 0.25f, float.PositiveInfinity)]
    [InlineData("[0.0, {\"__float__\": \"Infinity\"}]", 0, float.PositiveInfinity)]
    public void Limits_are_read_as_every_version_of_Python_libraries_writes_them(string limits, float low, float high)
    {
        _folder.Save(CheckpointFolder.Of(Grouped with { Groups = 1 }));
        _folder.Set("time_step_limit", limits);

        Mamba2MixerOptions mixer = Mixer();
        (mixer.DeltaMin, mixer.DeltaMax).Should().Be((low, high));
    }

    private Mamba2MixerOptions Mixer() => (Mamba2MixerOptions)_folder.LoadedConfig().Layers[0];
}
