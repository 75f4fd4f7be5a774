using System.Text.RegularExpressions;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Checkpoints;

namespace Mamba.Tests.Models;

public sealed class CheckpointTests : IDisposable
{
    private static readonly int[] Ids = [1, 5, 2, 9, 3, 3, 7];

    private readonly string _folder = Directory.CreateTempSubdirectory("mamba-tests-").FullName;
    private readonly Device _device = TestDevice.Open();

    private static readonly Dictionary<string, LanguageModelConfig> Configs = new()
    {
        ["mamba"] = Equal(new MambaMixerOptions { ModelDim = 8, StateDim = 4, Bias = true, TimeStepRank = 3 }),
        ["falcon_mamba"] = Equal(new MambaMixerOptions { ModelDim = 8, InnerDim = 12, ParameterNormEpsilon = 1e-6f }) with
        {
            TieEmbeddings = false,
        },
        ["mamba2"] = Equal(new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 4, Groups = 2, DeltaMax = 0.5f })
            with { NormEpsilon = 1e-5f, EndOfText = 0 },
        ["original mamba1"] = Equal(new MambaMixerOptions { ModelDim = 8, LearnableInitialState = true }),
        ["original mamba2"] = Equal(new Mamba2MixerOptions
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

    public void Dispose()
    {
        _device.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_saved_model_loads_with_the_same_bits(string name)
    {
        using MambaLanguageModel model = new(_device, Configs[name], new Random(1));
        model.Save(_folder);

        using MambaLanguageModel loaded = MambaLanguageModel.Load(_folder, _device);

        loaded.Forward(Ids).ToArray().ShouldHaveTheBitsOf(model.Forward(Ids).ToArray());
        bool isHuggingFace = File.ReadAllText(Path.Combine(_folder, "config.json")).Contains("model_type", StringComparison.Ordinal);
        isHuggingFace.Should().Be(!name.StartsWith("original", StringComparison.Ordinal));
    }

    [Fact]
    public void Saved_tensors_have_the_names_of_Hugging_Face()
    {
        using MambaLanguageModel model = new(_device, Configs["mamba"], new Random(1));
        model.Save(_folder);

        using ITensorSource source = TensorSource.Open(_folder);

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
        using MambaLanguageModel model = new(_device, Configs["mamba2"], new Random(1));
        model.Save(_folder, ElementType.BF16);

        using MambaLanguageModel loaded = MambaLanguageModel.Load(_folder, _device);

        // Eight bits of mantissa: weights are off by 2^-9 at most, and logits by a few times that.
        loaded.Forward(Ids).ToArray().ShouldBeClose(model.Forward(Ids).ToArray(), 2e-2);
    }

    [Fact]
    public void A_missing_tensor_is_named_and_nothing_stays_loaded()
    {
        Rewrite(tensors => tensors.Remove("backbone.layers.1.mixer.D"));

        ShouldRefuse<InvalidDataException>("*backbone.layers.1.mixer.D*missing*");
    }

    [Fact]
    public void A_tensor_of_a_wrong_shape_is_named_with_both_shapes()
    {
        Rewrite(tensors => tensors["backbone.layers.0.mixer.D"] = [15]);

        ShouldRefuse<InvalidDataException>("*backbone.layers.0.mixer.D*[15]*[16]*");
    }

    [Fact]
    public void A_tensor_that_the_model_has_not_is_named()
    {
        Rewrite(tensors => tensors["backbone.layers.7.mixer.D"] = [16]);

        ShouldRefuse<InvalidDataException>("*backbone.layers.7.mixer.D*");
    }

    [Theory]
    [InlineData("\"model_type\": \"mamba\"", "\"model_type\": \"llama\"", "*llama*mamba2*")]
    [InlineData("\"hidden_act\": \"silu\"", "\"hidden_act\": \"relu\"", "*hidden_act*relu*")]
    public void An_unsupported_model_is_refused_by_name(string from, string to, string message)
    {
        Rewrite(_ => { });
        EditConfig(text => text.Replace(from, to, StringComparison.Ordinal));

        ShouldRefuse<NotSupportedException>(message);
    }

    [Theory]
    [InlineData("hidden_size", "\"many\"", "*hidden_size*integer*many*")]
    [InlineData("hidden_size", "-8", "*-8*")]
    [InlineData("hidden_size", "NaN", "*hidden_size*integer*NaN*")]
    [InlineData("state_size", "Infinity", "*state_size*integer*Infinity*")]
    [InlineData("num_hidden_layers", "0", "*at least one layer*")]
    [InlineData("vocab_size", "null", "*vocab_size*integer*null*")]
    public void A_wrong_configuration_is_refused_by_key(string key, string value, string message)
    {
        Rewrite(_ => { });
        EditConfig(text => Regex.Replace(text, $"\"{key}\": [^,\n]*", $"\"{key}\": {value}"));

        ShouldRefuse<InvalidDataException>(message);
    }

    [Fact]
    public void An_unknown_option_of_the_original_format_is_refused_by_name()
    {
        using (MambaLanguageModel model = new(_device, Configs["original mamba2"], new Random(1)))
        {
            model.Save(_folder);
        }

        EditConfig(text => text.Replace("\"d_state\"", "\"d_mystery\": 3, \"d_state\"", StringComparison.Ordinal));

        ShouldRefuse<NotSupportedException>("*ssm_cfg.d_mystery*");
    }

    [Fact]
    public void A_folder_without_weights_or_configuration_is_refused()
    {
        ShouldRefuse<FileNotFoundException>("*config.json*");

        File.WriteAllText(Path.Combine(_folder, "config.json"), "{\"model_type\": \"mamba\"}");
        ShouldRefuse<FileNotFoundException>("*model.safetensors*pytorch_model.bin*");
    }

    [Fact]
    public void A_model_that_no_format_has_words_for_is_not_saved()
    {
        LanguageModelConfig config = new()
        {
            VocabularySize = 11,
            Layers = [new MambaMixerOptions { ModelDim = 8 }, new Mamba2MixerOptions { ModelDim = 8, HeadDim = 4 }],
        };
        using MambaLanguageModel model = new(_device, config, new Random(1));

        Action save = () => model.Save(_folder);

        save.Should().Throw<NotSupportedException>();
        Directory.EnumerateFiles(_folder).Should().BeEmpty();
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
        using MambaLanguageModel model = new(_device, Equal(options), new Random(1));

        Action save = () => model.Save(_folder);

        save.Should().Throw<NotSupportedException>().WithMessage(message);
        Directory.EnumerateFiles(_folder).Should().BeEmpty();
    }

    private static LanguageModelConfig Equal(MixerOptions options) =>
        new() { VocabularySize = 11, Layers = [options, options] };

    /// <summary>Saves a model of which some tensors are removed, added or given another shape.</summary>
    private void Rewrite(Action<Dictionary<string, long[]>> change)
    {
        using (MambaLanguageModel model = new(_device, Configs["mamba"], new Random(1)))
        {
            model.Save(_folder);
        }

        string path = Path.Combine(_folder, "model.safetensors");
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

    private void EditConfig(Func<string, string> edit)
    {
        string path = Path.Combine(_folder, "config.json"), before = File.ReadAllText(path), after = edit(before);
        after.Should().NotBe(before);
        File.WriteAllText(path, after);
    }

    private void ShouldRefuse<TException>(string message)
        where TException : Exception
    {
        long before = _device.AllocatedBytes;

        Action load = () => MambaLanguageModel.Load(_folder, _device).Dispose();

        load.Should().Throw<TException>().WithMessage(message);
        _device.AllocatedBytes.Should().Be(before);
    }
}
