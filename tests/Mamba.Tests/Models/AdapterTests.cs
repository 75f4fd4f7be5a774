using Mamba.Checkpoints;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Checkpoints;
using Mamba.Optimization;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Models;

public sealed class AdapterTests : IDisposable
{
    // Weights and corrections are added in another order: one rounding of each weight.
    private const double Tolerance = 5e-6;

    private readonly TemporaryFolder _folder = new();
    private readonly Device _device = TestDevice.Open(2);

    public void Dispose()
    {
        _device.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Adapters_of_a_rank_that_could_not_be_loaded_again_are_not_saved()
    {
        using MambaLanguageModel model = TunedModels.Base(_device);
        LowRank.Adapt(
            model, new() { Rank = (1 << 20) + 1, Targets = ["blocks.0.mixer.out_projection"] }, new Random(1));

        model.Invoking(m => m.SaveAdapters(_folder["adapters"])).Should().Throw<NotSupportedException>()
            .WithMessage("The adapters cannot be saved*\"r\": expected an integer from 0 to 1048576; found 1048577*");
        Directory.Exists(_folder["adapters"]).Should().BeFalse();
    }

    [Fact]
    public void A_model_whose_weights_were_never_set_is_neither_saved_nor_merged_nor_averaged_nor_narrowed()
    {
        const string Message = "*was never set: its layer was made with random: null*";
        LanguageModelConfig config = TunedModels.Config;
        using MambaLanguageModel model = new(_device, config, random: null);

        model.Invoking(m => m.Save(_folder["model"])).Should().Throw<InvalidOperationException>()
            .WithMessage("\"backbone.embeddings.weight\"" + Message);
        model.Invoking(m => m.SaveAdapters(_folder["adapters"])).Should().Throw<InvalidOperationException>()
            .WithMessage(Message);
        model.Invoking(m => new MovingAverage(m, 0.5)).Should().Throw<InvalidOperationException>()
            .WithMessage(Message);
        foreach (Precision precision in (Precision[])[Precision.BFloat16, Precision.Int8])
        {
            model.Invoking(m => m.Narrow(precision)).Should().Throw<InvalidOperationException>()
                .WithMessage("\"embedding.weight\"" + Message);
        }

        LowRank.Adapt(model, new(), new Random(1));
        model.Invoking(m => LowRank.Merge(m)).Should().Throw<InvalidOperationException>()
            .WithMessage("\"blocks.0.mixer.*.weight\"" + Message);
        model.Parameters.Should().Contain(named => named.Name.Contains("adapter", StringComparison.Ordinal));
        Directory.Exists(_folder["model"]).Should().BeFalse();
        Directory.Exists(_folder["adapters"]).Should().BeFalse();
    }

    [Fact]
    public void A_disposed_model_is_not_saved()
    {
        MambaLanguageModel model = TunedModels.Create(_device);
        model.Dispose();

        model.Invoking(m => m.Save(_folder["model"])).Should().Throw<ObjectDisposedException>();
        model.Invoking(m => m.SaveAdapters(_folder["adapters"])).Should().Throw<ObjectDisposedException>();
        Directory.Exists(_folder["model"]).Should().BeFalse();
        Directory.Exists(_folder["adapters"]).Should().BeFalse();
    }

    [Theory]
    [InlineData(Precision.BFloat16)]
    [InlineData(Precision.Int8)]
    [InlineData(Precision.Int4)]
    public void A_model_that_is_narrowed_with_its_adapters_computes_and_is_saved_and_merged(Precision precision)
    {
        using MambaLanguageModel model = TunedModels.Create(_device);
        model.Narrow(precision);
        float[] expected = model.Forward(TunedModels.Ids).ToArray();

        model.Save(_folder["model"]);
        model.SaveAdapters(_folder["adapters"]);
        int count = LowRank.Merge(model);

        count.Should().Be(6);
        using MambaLanguageModel loaded = MambaLanguageModel.Load(_folder["model"], _device);
        loaded.Forward(TunedModels.Ids).ToArray().ShouldBeClose(expected, Tolerance);
        model.Forward(TunedModels.Ids).ToArray().ShouldBeClose(expected, Tolerance);
        using MambaLanguageModel adapted = TunedModels.Base(_device);
        adapted.Narrow(precision);
        adapted.LoadAdapters(_folder["adapters"]);
    }

    [Fact]
    public void Files_have_the_names_of_PEFT()
    {
        using MambaLanguageModel model = TunedModels.Create(_device);

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
        file.Tensors["base_model.model.backbone.layers.0.mixer.in_proj.lora_A.weight"].Shape.ToArray()
            .Should().Equal(3, 8);
        file.Tensors["base_model.model.backbone.layers.0.mixer.in_proj.lora_B.weight"].Shape.ToArray()
            .Should().Equal(32, 3);
        ConfigJson json = ConfigJson.Load(_folder["adapter_config.json"]);
        json.Text("peft_type").Should().Be("LORA");
        json.Integer("r", ConfigRanges.Size).Should().Be(3);
        json.Number("lora_alpha", ConfigRanges.Finite).Should().Be(4);
        File.ReadAllText(_folder["adapter_config.json"]).ReplaceLineEndings("").Replace(
            " ", "", StringComparison.Ordinal)
            .Should().Contain("\"target_modules\":[\"in_proj\",\"out_proj\",\"x_proj\"]");
    }

    [Fact]
    public void Saved_adapters_load_with_the_same_bits_and_can_be_trained_on()
    {
        using MambaLanguageModel model = TunedModels.Create(_device), loaded = TunedModels.Base(_device);
        model.SaveAdapters(_folder.Path);

        loaded.LoadAdapters(_folder.Path);

        loaded.Forward(TunedModels.Ids).ToArray().ShouldHaveTheBitsOf(model.Forward(TunedModels.Ids).ToArray());
        StepOf(loaded).ShouldHaveTheBitsOf(StepOf(model));
        TunedModels.TrainableOf(loaded).Should().Equal(TunedModels.TrainableOf(model));
        LowRank.Merge(loaded).Should().Be(6);
        loaded.Forward(TunedModels.Ids).ToArray().ShouldBeClose(model.Forward(TunedModels.Ids).ToArray(), Tolerance);
    }

    [Fact]
    public void A_saved_checkpoint_has_the_adapters_in_its_weights_and_the_model_keeps_them_apart()
    {
        using MambaLanguageModel model = TunedModels.Create(_device);
        float[] expected = model.Forward(TunedModels.Ids).ToArray();

        model.Save(_folder.Path);

        using MambaLanguageModel merged = MambaLanguageModel.Load(_folder.Path, _device);
        merged.Forward(TunedModels.Ids).ToArray().ShouldBeClose(expected, Tolerance);
        merged.Parameters.Should().NotContain(named => named.Name.Contains("adapter", StringComparison.Ordinal));
        ((MambaMixer)merged.Blocks[0].Mixer).InitialState.Should().NotBeNull();
        model.Forward(TunedModels.Ids).ToArray().ShouldHaveTheBitsOf(expected);
        model.Parameters.Count(named => named.Name.EndsWith("adapter.b", StringComparison.Ordinal)).Should().Be(6);
    }

    [Fact]
    public void Large_weights_are_merged_in_pieces_that_end_within_a_row()
    {
        MambaMixerOptions layer = new() { ModelDim = 300, StateDim = 1 };
        LanguageModelConfig config = TunedModels.Config with { Layers = [layer] };
        using MambaLanguageModel model = new(_device, config, new Random(1));
        LowRank.Adapt(model, new() { Rank = 1, Targets = ["in_projection"] }, new Random(2));
        Linear linear = ((MambaMixer)model.Blocks[0].Mixer).InProjection;
        TunedModels.Randomize(linear.Adapter!.B);
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
        using MambaLanguageModel model = TunedModels.Base(_device), loaded = TunedModels.Base(_device);
        LowRank.SetTrainable(model, false);
        TunedModels.Randomize(((RecurrentMixer)model.Blocks[1].Mixer).LearnInitialState());

        model.SaveAdapters(_folder.Path);
        loaded.LoadAdapters(_folder.Path);

        loaded.Forward(TunedModels.Ids).ToArray().ShouldHaveTheBitsOf(model.Forward(TunedModels.Ids).ToArray());
        TunedModels.TrainableOf(loaded).Should().Equal("blocks.1.mixer.initial_state");
    }

    [Fact]
    public void What_PEFT_writes_is_read()
    {
        using MambaLanguageModel model = TunedModels.Base(_device), expected = TunedModels.Base(_device);
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

        model.Forward(TunedModels.Ids).ToArray().ShouldBeClose(expected.Forward(TunedModels.Ids).ToArray(), Tolerance);
    }

    private static float[] StepOf(MambaLanguageModel model)
    {
        float[] logits = new float[model.Config.PaddedVocabularySize];
        using ModelState state = model.CreateState();
        model.Step([3], state, logits);
        return logits;
    }
}
