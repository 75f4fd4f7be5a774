using Mamba.Checkpoints;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Checkpoints;

namespace Mamba.Tests.Models;

public sealed class CheckpointTests : IDisposable
{
    private readonly CheckpointFolder _folder = new();

    private static readonly Dictionary<string, LanguageModelConfig> Configs = new()
    {
        ["mamba"] = CheckpointFolder.Of(
            new MambaMixerOptions { ModelDim = 8, StateDim = 4, Bias = true, TimeStepRank = 3 }),
        ["falcon_mamba"] = CheckpointFolder.Of(
            new MambaMixerOptions { ModelDim = 8, InnerDim = 12, ParameterNormEpsilon = 1e-6f }) with
        {
            TieEmbeddings = false,
        },
        ["mamba2"] = CheckpointFolder.Of(
            new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 4, DeltaMax = 0.5f }) with
        {
            NormEpsilon = 1e-5f,
            EndOfText = [0],
        },
        ["mamba2 with one norm for two groups"] = CheckpointFolder.Of(
            new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 4, Groups = 2, UngroupedNorm = true }),
        ["original mamba2 with a norm for each group"] = CheckpointFolder.Of(
            new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 4, Groups = 2 }),
        ["original mamba1"] = CheckpointFolder.Of(new MambaMixerOptions { ModelDim = 8, LearnableInitialState = true }),
        ["original mamba2"] = CheckpointFolder.Of(new Mamba2MixerOptions
        {
            ModelDim = 8, SsmDim = 12, StateDim = 4, HeadDim = 4, Norm = false, DPerChannel = true,
            LearnableInitialState = true,
        }),
        ["original hybrid"] = new()
        {
            VocabularySize = 11,
            VocabularyMultiple = 8,
            MlpDim = 128,
            Layers =
            [
                new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 4, NormBeforeGate = true },
                new AttentionMixerOptions { ModelDim = 8, Heads = 2, HeadDim = 6, RotaryDim = 4, ConvWidth = 4 },
                new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 4, NormBeforeGate = true },
            ],
        },
    };

    public static TheoryData<string> Names => [.. Configs.Keys];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public void A_saved_model_loads_with_the_same_bits(string name)
    {
        using MambaLanguageModel model = new(_folder.Device, Configs[name], new Random(1));
        model.Save(_folder.Path);

        using MambaLanguageModel loaded = _folder.Load();

        _folder.Logits(loaded).ShouldHaveTheBitsOf(_folder.Logits(model));
        bool isHuggingFace = _folder.Config.Contains("model_type", StringComparison.Ordinal);
        isHuggingFace.Should().Be(!name.StartsWith("original", StringComparison.Ordinal));
    }

    [Fact]
    public void Saved_tensors_have_the_names_of_Hugging_Face()
    {
        using MambaLanguageModel model = new(_folder.Device, Configs["mamba"], new Random(1));
        model.Save(_folder.Path);

        using ITensorSource source = TensorSource.Open(_folder.Path);

        source.Tensors.Keys.Where(name => !name.Contains("layers.1", StringComparison.Ordinal)).Should().BeEquivalentTo(
            "backbone.embeddings.weight", "backbone.norm_f.weight",
            "backbone.layers.0.norm.weight", "backbone.layers.0.mixer.A_log", "backbone.layers.0.mixer.D",
            "backbone.layers.0.mixer.conv1d.weight", "backbone.layers.0.mixer.conv1d.bias",
            "backbone.layers.0.mixer.x_proj.weight", "backbone.layers.0.mixer.dt_proj.weight",
            "backbone.layers.0.mixer.dt_proj.bias", "backbone.layers.0.mixer.in_proj.weight",
            "backbone.layers.0.mixer.in_proj.bias", "backbone.layers.0.mixer.out_proj.weight",
            "backbone.layers.0.mixer.out_proj.bias");
        source.Tensors["backbone.layers.0.mixer.conv1d.weight"].Shape.ToArray().Should().Equal(16, 1, 4);
        source.Tensors["backbone.layers.0.mixer.A_log"].Shape.ToArray().Should().Equal(16, 4);
    }

    [Fact]
    public void Weights_can_be_saved_as_bfloat16()
    {
        using MambaLanguageModel model = new(_folder.Device, Configs["mamba2"], new Random(1));
        model.Save(_folder.Path, ElementType.BF16);

        using MambaLanguageModel loaded = _folder.Load();

        // Eight bits of mantissa: weights are off by 2^-9 at most, and logits by a few times that.
        _folder.Logits(loaded).ShouldBeClose(_folder.Logits(model), 2e-2);
    }

    [Fact]
    public void A_missing_tensor_is_named_and_nothing_stays_loaded()
    {
        Rewrite(tensors => tensors.Remove("backbone.layers.1.mixer.D"));

        _folder.ShouldRefuse<InvalidDataException>("*backbone.layers.1.mixer.D*missing*");
    }

    [Fact]
    public void A_tensor_of_a_wrong_shape_is_named_with_both_shapes()
    {
        Rewrite(tensors => tensors["backbone.layers.0.mixer.D"] = [15]);

        _folder.ShouldRefuse<InvalidDataException>("*backbone.layers.0.mixer.D*[15]*[16]*");
    }

    [Fact]
    public void A_tensor_that_the_model_has_not_is_named()
    {
        Rewrite(tensors => tensors["backbone.layers.7.mixer.D"] = [16]);

        _folder.ShouldRefuse<InvalidDataException>("*backbone.layers.7.mixer.D*");
    }

    [Theory]
    [InlineData("model_type", "llama", "*llama*mamba, mamba2, falcon_mamba, bamba*")]
    [InlineData("hidden_act", "relu", "*hidden_act*relu*")]
    public void An_unsupported_model_is_refused_by_name(string key, string value, string message)
    {
        Rewrite(_ => { });
        _folder.Set(key, $"\"{value}\"");

        _folder.ShouldRefuse<NotSupportedException>(message);
    }

    [Theory]
    [InlineData("hidden_size", "\"many\"", "*hidden_size*integer*many*")]
    [InlineData("hidden_size", "-8", "*-8*")]
    [InlineData("hidden_size", "NaN", "*hidden_size*integer*NaN*")]
    [InlineData("state_size", "Infinity", "*state_size*integer*Infinity*")]
    [InlineData("num_hidden_layers", "0", "*num_hidden_layers*from 1 to 4096; found 0.*")]
    [InlineData("vocab_size", "null", "*vocab_size*integer*null*")]
    public void A_wrong_configuration_is_refused_by_key(string key, string value, string message)
    {
        Rewrite(_ => { });
        _folder.Set(key, value);

        _folder.ShouldRefuse<InvalidDataException>(message);
    }

    [Fact]
    public void An_unknown_option_of_the_original_format_is_refused_by_name()
    {
        using (MambaLanguageModel model = new(_folder.Device, Configs["original mamba2"], new Random(1)))
        {
            model.Save(_folder.Path);
        }

        _folder.Set("d_state", "4, \"d_mystery\": 3");

        _folder.ShouldRefuse<NotSupportedException>("*ssm_cfg.d_mystery*");
    }

    [Fact]
    public void A_folder_without_weights_or_configuration_is_refused()
    {
        _folder.ShouldRefuse<FileNotFoundException>("*config.json*");

        _folder.Config = "{\"model_type\": \"mamba\"}";
        _folder.ShouldRefuse<FileNotFoundException>("*model.safetensors*pytorch_model.bin*");
    }

    [Fact]
    public void A_model_that_no_format_has_words_for_is_not_saved()
    {
        LanguageModelConfig config = new()
        {
            VocabularySize = 11,
            Layers = [new MambaMixerOptions { ModelDim = 8 }, new Mamba2MixerOptions { ModelDim = 8, HeadDim = 4 }],
        };
        using MambaLanguageModel model = new(_folder.Device, config, new Random(1));

        Action save = () => model.Save(_folder.Path);

        save.Should().Throw<NotSupportedException>();
        Directory.EnumerateFiles(_folder.Path).Should().BeEmpty();
    }

    public static TheoryData<MixerOptions, string> Unwritable => new()
    {
        { new S4dMixerOptions { ModelDim = 8 }, "*S4dMixerOptions*" },
        { new MambaMixerOptions { ModelDim = 8, Gate = false }, "*MambaMixerOptions*Gate = False*" },
        { new Mamba2MixerOptions { ModelDim = 8, HeadDim = 4, Gate = false }, "*Mamba2MixerOptions*Gate = False*" },
    };

    [Theory]
    [MemberData(nameof(Unwritable), DisableDiscoveryEnumeration = true)]
    public void A_layer_that_no_format_knows_is_refused_by_name(MixerOptions options, string message)
    {
        using MambaLanguageModel model = new(_folder.Device, CheckpointFolder.Of(options), new Random(1));

        Action save = () => model.Save(_folder.Path);

        save.Should().Throw<NotSupportedException>().WithMessage(message);
        Directory.EnumerateFiles(_folder.Path).Should().BeEmpty();
    }

    [Theory]
    [InlineData(true, 3, "*AttentionMixerOptions.Window = 3*")]
    [InlineData(false, 0, "*AttentionMixerOptions.Causal = False*")]
    public void Attention_that_sees_otherwise_than_the_formats_say_is_refused_by_name(
        bool causal, int window, string message)
    {
        LanguageModelConfig config = new()
        {
            VocabularySize = 16,
            Layers =
            [
                new Mamba2MixerOptions { ModelDim = 8, HeadDim = 4 },
                new AttentionMixerOptions { ModelDim = 8, Heads = 2, Causal = causal, Window = window },
            ],
        };
        using MambaLanguageModel model = new(_folder.Device, config, new Random(1));

        Action save = () => model.Save(_folder.Path);

        save.Should().Throw<NotSupportedException>().WithMessage(message);
    }

    /// <summary>Saves a model of which some tensors are removed, added or given another shape.</summary>
    private void Rewrite(Action<Dictionary<string, long[]>> change)
    {
        using (MambaLanguageModel model = new(_folder.Device, Configs["mamba"], new Random(1)))
        {
            model.Save(_folder.Path);
        }

        string path = _folder["model.safetensors"];
        Dictionary<string, long[]> shapes;
        using (ITensorSource source = TensorSource.Open(path))
        {
            shapes = source.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.Shape.ToArray());
        }

        change(shapes);
        SafetensorsWriter writer = new();
        foreach ((string name, long[] shape) in shapes)
        {
            writer.Add(name, ElementType.F32, shape, new float[shape.Aggregate(1L, (count, size) => count * size)]);
        }

        writer.Save(path);
    }
}
