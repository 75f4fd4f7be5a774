using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Checkpoints;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Models;

/// <summary>Adapters that do not fit, or cannot be written.</summary>
public sealed class AdapterRefusalTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Device _device = TestDevice.Open();

    public void Dispose()
    {
        _device.Dispose();
        _folder.Dispose();
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
        using MambaLanguageModel model = TunedModels.Create(_device);

        Action load = () => model.LoadAdapters(_folder.Path);

        load.Should().Throw<InvalidOperationException>().WithMessage("*in_projection*rank 3*");
    }

    [Fact]
    public void What_cannot_be_saved_is_refused()
    {
        using MambaLanguageModel frozen = TunedModels.Base(_device), mixed = TunedModels.Create(_device);
        using MambaLanguageModel nameless = new(
            _device, TunedModels.Config with { Layers = [new S4dMixerOptions { ModelDim = 8 }] }, new Random(1));
        LowRank.SetTrainable(frozen, false);
        mixed.Head!.Adapt(2, 1, new Random(1));

        Saving(frozen).Should().Throw<InvalidOperationException>().WithMessage("*nothing to save*");
        Saving(mixed).Should().Throw<NotSupportedException>().WithMessage("*one rank*3 with 4, 2 with 1*");
        Saving(nameless).Should().Throw<NotSupportedException>().WithMessage("*S4dMixer*");
        Directory.EnumerateFiles(_folder.Path).Should().BeEmpty();

        Action Saving(MambaLanguageModel model) => () => model.SaveAdapters(_folder.Path);
    }

    private void SaveTuned()
    {
        using MambaLanguageModel model = TunedModels.Create(_device);
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
        using MambaLanguageModel model = TunedModels.Base(_device);
        float[] before = model.Forward(TunedModels.Ids).ToArray();
        string[] names = TunedModels.TrainableOf(model);

        Action load = () => model.LoadAdapters(_folder.Path);

        load.Should().Throw<TException>().WithMessage(message);
        model.Forward(TunedModels.Ids).ToArray().ShouldHaveTheBitsOf(before);
        TunedModels.TrainableOf(model).Should().Equal(names);
        model.Parameters.Should().HaveCount(names.Length);
    }
}
