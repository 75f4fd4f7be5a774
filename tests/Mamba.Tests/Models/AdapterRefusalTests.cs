using Mamba.Layers;
using Mamba.Models;

namespace Mamba.Tests.Models;

/// <summary>Adapters that do not fit, or cannot be written.</summary>
public sealed class AdapterRefusalTests : IDisposable
{
    private readonly AdapterFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("\"r\": 3", "\"r\": 4", "*lora_A.weight*[3, *[4, *r = 4*")]
    [InlineData("\"r\": 3", "\"r\": -1", "*\"r\": expected an integer from 0 to 1048576; found -1*")]
    [InlineData("\"r\": 3", "\"r\": \"many\"", "*\"r\"*integer*many*")]
    [InlineData("\"r\": 3", "\"r\": 2000000000", "*\"r\"*integer from 0 to 1048576*2000000000*")]
    [InlineData("\"r\": 3", "\"r\": null", "*\"r\"*integer*null*")]
    [InlineData("\"r\": 3", "\"r\": 0", "*_A.weight\"; r is 0 in adapter_config.json, expected 1 or more*")]
    [InlineData("\"lora_alpha\": 4.0", "\"lora_alpha\": NaN", "*lora_alpha*NaN*")]
    [InlineData("\"lora_alpha\": 4.0", "\"lora_alpha\": Infinity", "*lora_alpha*Infinity*")]
    [InlineData("\"lora_alpha\": 4.0", "\"lora_alpha\": 1e39", "*lora_alpha*1e39*")] // beyond float32
    [InlineData("\"lora_alpha\": 4.0", "\"lora_alpha\": -1e300", "*lora_alpha*-1e300*")]
    [InlineData("\"bias\": \"none\"", "\"bias\": \"\\ud800\"", "*adapter_config.json: *surrogate*")]
    [InlineData("\"bias\": \"none\"", "\"r\": 3", "*adapter_config.json: *JSON object*")]
    public void A_wrong_configuration_is_refused(string from, string to, string message)
    {
        _folder.Save();
        _folder.EditConfig(from, to);

        _folder.ShouldRefuse<InvalidDataException>(message);
    }

    [Theory]
    [InlineData("\"LORA\"", "\"IA3\"", "*peft_type*IA3*LORA*")]
    [InlineData("\"use_dora\": false", "\"use_dora\": true", "*use_dora*")]
    [InlineData("\"use_rslora\": false", "\"use_rslora\": true", "*use_rslora*")]
    [InlineData("\"bias\": \"none\"", "\"bias\": \"all\"", "*bias*all*")]
    [InlineData("\"r\": 3", "\"rank_pattern\": {\"x_proj\": 9}, \"r\": 3", "*rank_pattern*x_proj*")]
    public void An_option_that_is_not_supported_is_refused_by_name(string from, string to, string message)
    {
        _folder.Save();
        _folder.EditConfig(from, to);

        _folder.ShouldRefuse<NotSupportedException>(message);
    }

    [Fact]
    public void A_B_that_is_missing_is_named()
    {
        _folder.Rewrite(shapes => shapes.Remove("base_model.model.backbone.layers.0.mixer.x_proj.lora_B.weight"));

        _folder.ShouldRefuse<InvalidDataException>("*layers.0.mixer.x_proj.lora_B.weight*none*");
    }

    [Theory]
    [InlineData("base_model.model.backbone.layers.0.mixer.x_proj.lora_B.weight", "*x_proj.lora_B.weight*[7]*[10, 3]*")]
    [InlineData("base_model.model.backbone.norm_f.weight", "*norm_f.weight*[7]*[8]*")]
    [InlineData("base_model.model.backbone.layers.1.mixer.init_states", "*init_states*[7]*[16, 4]*")]
    [InlineData("base_model.model.backbone.layers.9.mixer.x_proj.lora_A.weight", "*layers.9*")]
    [InlineData("backbone.norm_f.weight", "*no place for \"backbone.norm_f.weight\"*base_model.model.WEIGHT*")]
    public void A_tensor_of_a_wrong_shape_or_name_is_refused(string name, string message)
    {
        _folder.Rewrite(shapes => shapes[name] = [7]);

        _folder.ShouldRefuse<InvalidDataException>(message);
    }

    [Theory]
    [InlineData("adapter_config.json")]
    [InlineData("adapter_model.safetensors")]
    public void A_Git_LFS_pointer_in_place_of_a_file_is_recognised(string name)
    {
        _folder.Save();
        File.WriteAllText(_folder[name], "version https://git-lfs.github.com/spec/v1\nsize 5\n");

        _folder.ShouldRefuse<InvalidDataException>($"*{name}: found a Git-LFS pointer*");
    }

    [Fact]
    public void A_folder_that_is_not_there_is_told()
    {
        using MambaLanguageModel model = TunedModels.Base(_folder.Device);

        Action load = () => model.LoadAdapters("someone/mamba-lora");

        load.Should().Throw<DirectoryNotFoundException>().WithMessage(
            "*local folder with adapter_config.json*\"someone/mamba-lora\"*hf download someone/mamba-lora*");
    }

    [Fact]
    public void A_damaged_or_missing_file_is_refused()
    {
        _folder.Save();
        byte[] bytes = File.ReadAllBytes(_folder["adapter_model.safetensors"]);
        File.WriteAllBytes(_folder["adapter_model.safetensors"], bytes[..^4]);
        _folder.ShouldRefuse<InvalidDataException>("*adapter_model.safetensors*");

        File.Delete(_folder["adapter_model.safetensors"]);
        _folder.ShouldRefuse<FileNotFoundException>("*adapter_model.safetensors*");

        File.Delete(_folder["adapter_config.json"]);
        _folder.ShouldRefuse<FileNotFoundException>("*adapter_config.json*");
    }

    [Fact]
    public void A_file_without_tensors_is_refused()
    {
        _folder.Rewrite(shapes => shapes.Clear());

        _folder.ShouldRefuse<InvalidDataException>("*no tensors*");
    }

    [Fact]
    public void Adapters_are_not_loaded_over_others()
    {
        _folder.Save();
        using MambaLanguageModel model = TunedModels.Create(_folder.Device);

        Action load = () => model.LoadAdapters(_folder.Path);

        load.Should().Throw<InvalidOperationException>().WithMessage("*in_projection*rank 3*");
    }

    [Fact]
    public void What_cannot_be_saved_is_refused()
    {
        using MambaLanguageModel frozen = TunedModels.Base(_folder.Device), mixed = TunedModels.Create(_folder.Device);
        using MambaLanguageModel nameless = new(
            _folder.Device, TunedModels.Config with { Layers = [new S4dMixerOptions { ModelDim = 8 }] }, new Random(1));
        LowRank.SetTrainable(frozen, false);
        mixed.Head!.Adapt(2, 1, new Random(1));

        Saving(frozen).Should().Throw<InvalidOperationException>().WithMessage("*nothing to save*");
        Saving(mixed).Should().Throw<NotSupportedException>().WithMessage("*one rank*3 with 4, 2 with 1*");
        Saving(nameless).Should().Throw<NotSupportedException>().WithMessage("*S4dMixer*");
        Directory.EnumerateFiles(_folder.Path).Should().BeEmpty();

        Action Saving(MambaLanguageModel model) => () => model.SaveAdapters(_folder.Path);
    }
}
