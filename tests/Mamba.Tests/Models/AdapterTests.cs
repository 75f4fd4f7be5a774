using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Checkpoints;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Models;

public sealed class AdapterTests : IDisposable
{
    // Weights and corrections are added in another order: one rounding of each weight.
    private const double Tolerance = 5e-6;

    private static readonly int[] Ids = [1, 5, 2, 9, 3, 3, 7];

    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 11,
        TieEmbeddings = false,
        Layers =
        [
            new MambaMixerOptions { ModelDim = 8, StateDim = 4, TimeStepRank = 2 },
            new MambaMixerOptions { ModelDim = 8, StateDim = 4, TimeStepRank = 2 },
        ],
    };

    private readonly TemporaryFolder _folder = new();
    private readonly Device _device = TestDevice.Open(2);

    public void Dispose()
    {
        _device.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Files_have_the_names_of_PEFT()
    {
        using MambaLanguageModel model = Tuned();

        model.SaveAdapters(_folder.Path);

        using SafetensorsFile file = SafetensorsFile.Open(_folder["adapter_model.safetensors"]);
        file.Tensors.Keys.Where(name => name.Contains("layers.0", StringComparison.Ordinal)).Should().BeEquivalentTo(
            "base_model.model.backbone.layers.0.mixer.in_proj.lora_A.weight",
            "base_model.model.backbone.layers.0.mixer.in_proj.lora_B.weight",
            "base_model.model.backbone.layers.0.mixer.x_proj.lora_A.weight",
            "base_model.model.backbone.layers.0.mixer.x_proj.lora_B.weight",
            "base_model.model.backbone.layers.0.mixer.out_proj.lora_A.weight",
            "base_model.model.backbone.layers.0.mixer.out_proj.lora_B.weight",
            "base_model.model.backbone.layers.0.mixer.init_states");
        file.Tensors.Should().HaveCount(6 + 6 + 2 + 1).And.ContainKey("base_model.model.backbone.norm_f.weight");
        file.Tensors["base_model.model.backbone.layers.0.mixer.in_proj.lora_A.weight"].Shape.ToArray().Should().Equal(3, 8);
        file.Tensors["base_model.model.backbone.layers.0.mixer.in_proj.lora_B.weight"].Shape.ToArray().Should().Equal(32, 3);
        ConfigJson json = ConfigJson.Load(_folder["adapter_config.json"]);
        json.Text("peft_type").Should().Be("LORA");
        json.Integer("r").Should().Be(3);
        json.Number("lora_alpha").Should().Be(4);
        File.ReadAllText(_folder["adapter_config.json"]).ReplaceLineEndings("").Replace(" ", "", StringComparison.Ordinal)
            .Should().Contain("\"target_modules\":[\"in_proj\",\"out_proj\",\"x_proj\"]");
    }

    [Fact]
    public void Saved_adapters_load_with_the_same_bits_and_can_be_trained_on()
    {
        using MambaLanguageModel model = Tuned(), loaded = Base();
        model.SaveAdapters(_folder.Path);

        loaded.LoadAdapters(_folder.Path);

        loaded.Forward(Ids).ToArray().ShouldHaveTheBitsOf(model.Forward(Ids).ToArray());
        StepOf(loaded).ShouldHaveTheBitsOf(StepOf(model));
        TrainableOf(loaded).Should().Equal(TrainableOf(model));
        LowRank.Merge(loaded).Should().Be(6);
        loaded.Forward(Ids).ToArray().ShouldBeClose(model.Forward(Ids).ToArray(), Tolerance);
    }

    [Fact]
    public void A_saved_checkpoint_has_the_adapters_in_its_weights_and_the_model_keeps_them_apart()
    {
        using MambaLanguageModel model = Tuned();
        float[] expected = model.Forward(Ids).ToArray();

        model.Save(_folder.Path);

        using MambaLanguageModel merged = MambaLanguageModel.Load(_folder.Path, _device);
        merged.Forward(Ids).ToArray().ShouldBeClose(expected, Tolerance);
        merged.Parameters.Should().NotContain(named => named.Name.Contains("adapter", StringComparison.Ordinal));
        ((MambaMixer)merged.Blocks[0].Mixer).InitialState.Should().NotBeNull();
        model.Forward(Ids).ToArray().ShouldHaveTheBitsOf(expected);
        model.Parameters.Count(named => named.Name.EndsWith("adapter.b", StringComparison.Ordinal)).Should().Be(6);
    }

    [Fact]
    public void Large_weights_are_merged_in_pieces_that_end_within_a_row()
    {
        LanguageModelConfig config = Config with { Layers = [new MambaMixerOptions { ModelDim = 300, StateDim = 1 }] };
        using MambaLanguageModel model = new(_device, config, new Random(1));
        LowRank.Adapt(model, new() { Rank = 1, Targets = ["in_projection"] }, new Random(2));
        Linear linear = ((MambaMixer)model.Blocks[0].Mixer).InProjection;
        Randomize(linear.Adapter!.B);
        float[] weights = linear.Weight.Value.ToArray();
        float[] a = linear.Adapter.A.Value.ToArray(), b = linear.Adapter.B.Value.ToArray();

        model.Save(_folder.Path);

        float[] saved = new float[weights.Length];
        using SafetensorsFile file = SafetensorsFile.Open(_folder["model.safetensors"]);
        file.Read("backbone.layers.0.mixer.in_proj.weight", saved);
        saved.ShouldBeClose(
            [.. weights.Select((weight, i) => weight + (16.0 * b[i / 300] * a[i % 300]))], 1e-6);
    }

    [Fact]
    public void An_initial_state_alone_can_be_tuned_and_saved()
    {
        using MambaLanguageModel model = Base(), loaded = Base();
        LowRank.SetTrainable(model, false);
        Randomize(((RecurrentMixer)model.Blocks[1].Mixer).LearnInitialState());

        model.SaveAdapters(_folder.Path);
        loaded.LoadAdapters(_folder.Path);

        loaded.Forward(Ids).ToArray().ShouldHaveTheBitsOf(model.Forward(Ids).ToArray());
        TrainableOf(loaded).Should().Equal("blocks.1.mixer.initial_state");
    }

    [Fact]
    public void What_PEFT_writes_is_read()
    {
        using MambaLanguageModel model = Base(), expected = Base();
        float[] a = Samples.Normal(1, 2 * 8), b = Samples.Normal(2, 32 * 2);
        SafetensorsWriter writer = new();
        writer.Add("base_model.model.backbone.layers.1.mixer.in_proj.lora_A.weight", ElementType.F32, [2, 8], a);
        writer.Add("base_model.model.backbone.layers.1.mixer.in_proj.lora_B.weight", ElementType.F32, [32, 2], b);
        writer.Save(_folder["adapter_model.safetensors"]);
        File.WriteAllText(
            _folder["adapter_config.json"],
            """
            {
              "alpha_pattern": {}, "auto_mapping": null, "base_model_name_or_path": "state-spaces/mamba-130m-hf",
              "bias": "none", "fan_in_fan_out": false, "init_lora_weights": true, "layers_to_transform": [1],
              "lora_alpha": 8, "lora_dropout": 0.05, "modules_to_save": null, "peft_type": "LORA", "r": 2,
              "rank_pattern": {}, "target_modules": ["in_proj"], "task_type": "CAUSAL_LM", "use_dora": false
            }
            """);
        Parameter weight = ((MambaMixer)expected.Blocks[1].Mixer).InProjection.Weight;
        float[] changed = weight.Value.ToArray();
        for (int i = 0; i < changed.Length; i++)
        {
            (int row, int column) = (i / 8, i % 8);
            changed[i] += 4 * ((b[2 * row] * a[column]) + (b[(2 * row) + 1] * a[8 + column]));
        }

        weight.Value.CopyFrom(changed);

        model.LoadAdapters(_folder.Path);

        model.Forward(Ids).ToArray().ShouldBeClose(expected.Forward(Ids).ToArray(), Tolerance);
    }

    [Theory]
    [InlineData("\"r\": 3", "\"r\": 4", "*lora_A.weight*[3, *[4, *r = 4*")]
    [InlineData("\"r\": 3", "\"r\": -1", "*r of 0 or more*-1*")]
    [InlineData("\"r\": 3", "\"r\": \"many\"", "*\"r\"*integer*many*")]
    [InlineData("\"lora_alpha\": 4.0", "\"lora_alpha\": NaN", "*lora_alpha*NaN*")]
    public void A_wrong_configuration_is_refused(string from, string to, string message)
    {
        SaveTuned();
        EditConfig(from, to);

        ShouldRefuse<InvalidDataException>(message);
    }

    [Theory]
    [InlineData("\"LORA\"", "\"IA3\"", "*peft_type*IA3*LORA*")]
    [InlineData("\"use_dora\": false", "\"use_dora\": true", "*use_dora*")]
    [InlineData("\"use_rslora\": false", "\"use_rslora\": true", "*use_rslora*")]
    [InlineData("\"bias\": \"none\"", "\"bias\": \"all\"", "*bias*all*")]
    [InlineData("\"r\": 3", "\"rank_pattern\": {\"x_proj\": 9}, \"r\": 3", "*rank_pattern*x_proj*")]
    public void An_option_that_is_not_supported_is_refused_by_name(string from, string to, string message)
    {
        SaveTuned();
        EditConfig(from, to);

        ShouldRefuse<NotSupportedException>(message);
    }

    [Fact]
    public void A_B_that_is_missing_is_named()
    {
        Rewrite(shapes => shapes.Remove("base_model.model.backbone.layers.0.mixer.x_proj.lora_B.weight"));

        ShouldRefuse<InvalidDataException>("*layers.0.mixer.x_proj.lora_B.weight*none*");
    }

    [Theory]
    [InlineData("base_model.model.backbone.layers.0.mixer.x_proj.lora_B.weight", "*x_proj.lora_B.weight*[7]*[10, 3]*")]
    [InlineData("base_model.model.backbone.norm_f.weight", "*norm_f.weight*[7]*[8]*")]
    [InlineData("base_model.model.backbone.layers.1.mixer.init_states", "*init_states*[7]*[16, 4]*")]
    [InlineData("base_model.model.backbone.embeddings.lora_embedding_A", "*lora_embedding_A*")]
    [InlineData("base_model.model.backbone.layers.9.mixer.x_proj.lora_A.weight", "*layers.9*")]
    [InlineData("base_model.model.backbone.norm_f.lora_A.weight", "*norm_f.lora_A*")]
    [InlineData("backbone.norm_f.weight", "*base_model.model.*\"backbone.norm_f.weight\"*")]
    public void A_tensor_of_a_wrong_shape_or_name_is_refused(string name, string message)
    {
        Rewrite(shapes => shapes[name] = [7]);

        ShouldRefuse<InvalidDataException>(message);
    }

    [Fact]
    public void A_damaged_or_missing_file_is_refused()
    {
        SaveTuned();
        byte[] bytes = File.ReadAllBytes(_folder["adapter_model.safetensors"]);
        File.WriteAllBytes(_folder["adapter_model.safetensors"], bytes[..^4]);
        ShouldRefuse<InvalidDataException>("*adapter_model.safetensors*");

        File.Delete(_folder["adapter_model.safetensors"]);
        ShouldRefuse<FileNotFoundException>("*adapter_model.safetensors*");

        File.Delete(_folder["adapter_config.json"]);
        ShouldRefuse<FileNotFoundException>("*adapter_config.json*");
    }

    [Fact]
    public void A_file_without_tensors_is_refused()
    {
        Rewrite(shapes => shapes.Clear());

        ShouldRefuse<InvalidDataException>("*no tensors*");
    }

    [Fact]
    public void Adapters_are_not_loaded_over_others()
    {
        SaveTuned();
        using MambaLanguageModel model = Tuned();

        Action load = () => model.LoadAdapters(_folder.Path);

        load.Should().Throw<InvalidOperationException>().WithMessage("*in_projection*rank 3*");
    }

    [Fact]
    public void What_cannot_be_saved_is_refused()
    {
        using MambaLanguageModel frozen = Base(), mixed = Tuned();
        using MambaLanguageModel nameless = new(
            _device, Config with { Layers = [new S4dMixerOptions { ModelDim = 8 }] }, new Random(1));
        LowRank.SetTrainable(frozen, false);
        mixed.Head!.Adapt(2, 1, new Random(1));

        Saving(frozen).Should().Throw<InvalidOperationException>().WithMessage("*nothing to save*");
        Saving(mixed).Should().Throw<NotSupportedException>().WithMessage("*one rank*3 with 4, 2 with 1*");
        Saving(nameless).Should().Throw<NotSupportedException>().WithMessage("*S4dMixer*");
        Directory.EnumerateFiles(_folder.Path).Should().BeEmpty();

        Action Saving(MambaLanguageModel model) => () => model.SaveAdapters(_folder.Path);
    }

    private MambaLanguageModel Base() => new(_device, Config, new Random(1));

    /// <summary>The model after adapters, a norm and initial states have been tuned.</summary>
    private MambaLanguageModel Tuned()
    {
        MambaLanguageModel model = Base();
        LowRank.Adapt(model, new() { Rank = 3, Alpha = 4 }, new Random(2));
        model.FinalNorm.Weight.IsTrainable = true;
        foreach (ResidualBlock block in model.Blocks)
        {
            ((RecurrentMixer)block.Mixer).LearnInitialState();
        }

        foreach ((_, Parameter parameter) in model.Parameters.Where(named => named.Parameter.IsTrainable))
        {
            Randomize(parameter);
        }

        return model;
    }

    private static void Randomize(Parameter parameter) =>
        parameter.Value.CopyFrom(Samples.Normal(7, (int)parameter.Value.Shape.Count, 0.3));

    private static string[] TrainableOf(MambaLanguageModel model) =>
        [.. model.Parameters.Where(named => named.Parameter.IsTrainable).Select(named => named.Name).Order()];

    private static float[] StepOf(MambaLanguageModel model)
    {
        float[] logits = new float[model.Config.PaddedVocabularySize];
        using ModelState state = model.CreateState();
        model.Step([3], state, logits);
        return logits;
    }

    private void SaveTuned()
    {
        using MambaLanguageModel model = Tuned();
        model.SaveAdapters(_folder.Path);
    }

    private void EditConfig(string from, string to)
    {
        string path = _folder["adapter_config.json"], before = File.ReadAllText(path);
        string after = before.Replace(from, to, StringComparison.Ordinal);
        after.Should().NotBe(before);
        File.WriteAllText(path, after);
    }

    /// <summary>Saves adapters of which some tensors are removed, added or given another shape.</summary>
    private void Rewrite(Action<Dictionary<string, long[]>> change)
    {
        SaveTuned();
        Dictionary<string, long[]> shapes;
        using (SafetensorsFile file = SafetensorsFile.Open(_folder["adapter_model.safetensors"]))
        {
            shapes = file.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.Shape.ToArray());
        }

        change(shapes);
        SafetensorsWriter writer = new();
        foreach ((string name, long[] shape) in shapes)
        {
            writer.Add(name, ElementType.F32, shape, new float[shape.Aggregate(1L, (count, size) => count * size)]);
        }

        writer.Save(_folder["adapter_model.safetensors"]);
    }

    private void ShouldRefuse<TException>(string message)
        where TException : Exception
    {
        using MambaLanguageModel model = Base();
        float[] before = model.Forward(Ids).ToArray();
        string[] names = TrainableOf(model);

        Action load = () => model.LoadAdapters(_folder.Path);

        load.Should().Throw<TException>().WithMessage(message);
        model.Forward(Ids).ToArray().ShouldHaveTheBitsOf(before);
        TrainableOf(model).Should().Equal(names);
        model.Parameters.Should().HaveCount(names.Length);
    }
}
