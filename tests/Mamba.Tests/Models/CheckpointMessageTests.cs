using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;

namespace Mamba.Tests.Models;

/// <summary>Messages that a person can act on.</summary>
public sealed class CheckpointMessageTests : IDisposable
{
    private readonly CheckpointFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("config.json")]
    [InlineData("generation_config.json")]
    [InlineData("model.safetensors")]
    public void A_Git_LFS_pointer_in_place_of_a_file_is_recognised(string name)
    {
        _folder.Save("mamba");
        WritePointer(name);

        _folder.ShouldRefuse<InvalidDataException>($"*{name}: found a Git-LFS pointer*git lfs pull*");
    }

    [Theory]
    [InlineData("pytorch_model.bin")]
    [InlineData("model.safetensors.index.json")]
    public void A_Git_LFS_pointer_in_place_of_other_weights_is_recognised(string name)
    {
        _folder.Save("mamba");
        File.Delete(_folder["model.safetensors"]);
        WritePointer(name);

        _folder.ShouldRefuse<InvalidDataException>($"*{name}: found a Git-LFS pointer*git lfs pull*");
    }

    [Fact]
    public void A_Git_LFS_pointer_in_place_of_a_shard_is_recognised()
    {
        _folder.Save("mamba");
        File.Delete(_folder["model.safetensors"]);
        File.WriteAllText(_folder["model.safetensors.index.json"], """{"weight_map": {"x": "one.safetensors"}}""");
        WritePointer("one.safetensors");

        _folder.ShouldRefuse<InvalidDataException>("*one.safetensors: found a Git-LFS pointer*");
    }

    [Fact]
    public void A_download_that_was_cut_off_is_told_by_the_bytes_that_there_are()
    {
        _folder.Save("mamba");
        byte[] whole = File.ReadAllBytes(_folder["model.safetensors"]);
        int header = BitConverter.ToInt32(whole) + 8;

        foreach (int length in (int[])[whole.Length - 1, whole.Length / 2, header])
        {
            File.WriteAllBytes(_folder["model.safetensors"], whole[..length]);
            _folder.ShouldRefuse<InvalidDataException>(
                $"*model.safetensors: *cut off: found {length} of {whole.Length} bytes*");
        }

        File.WriteAllBytes(_folder["model.safetensors"], whole[..100]);
        _folder.ShouldRefuse<InvalidDataException>(
            $"*model.safetensors: *cut off: found 100 of at least {header} bytes*");
    }

    [Fact]
    public void A_zip_that_was_cut_off_is_told()
    {
        _folder.Save("mamba");
        File.Delete(_folder["model.safetensors"]);
        File.WriteAllBytes(_folder["pytorch_model.bin"], [.. "PK\x03\x04"u8, .. new byte[96]]);

        _folder.ShouldRefuse<InvalidDataException>("*pytorch_model.bin: the file is cut off: found 100 bytes*");
    }

    [Theory]
    [InlineData("state-spaces/mamba-130m-hf", " If it is a model on the hub*hf download state-spaces/mamba-130m-hf *")]
    [InlineData("/no/such/folder", "")]
    [InlineData("none", "")]
    public void A_folder_that_is_not_there_is_told(string folder, string advice)
    {
        Action load = () => MambaLanguageModel.Load(folder, _folder.Device);

        load.Should().Throw<DirectoryNotFoundException>().WithMessage(
            $"Expected a local folder with config.json; found nothing at \"{folder}\".{advice}");
    }

    [Fact]
    public void A_file_in_place_of_the_folder_is_told()
    {
        _folder.Save("mamba");

        Action load = () => MambaLanguageModel.Load(_folder["config.json"], _folder.Device);

        load.Should().Throw<DirectoryNotFoundException>().WithMessage("*local folder*found a file at*config.json*");
    }

    [Fact]
    public void A_folder_without_a_configuration_is_told_by_what_is_there()
    {
        _folder.Save("mamba");
        File.Delete(_folder["config.json"]);

        _folder.ShouldRefuse<FileNotFoundException>("Expected config.json in *; found model.safetensors.");
    }

    [Theory]
    [InlineData(Precision.Int8, float.NaN)]
    [InlineData(Precision.Int4, float.PositiveInfinity)]
    [InlineData(Precision.Float16, 70000)]
    public void A_weight_that_does_not_fit_the_precision_is_named(Precision precision, float value)
    {
        Assert.SkipUnless(TestDevice.IsCpu, "A GPU has no such precisions.");
        LanguageModelConfig config = CheckpointFolder.Of(new MambaMixerOptions { ModelDim = 32 });
        using (MambaLanguageModel model = new(_folder.Device, config, new Random(1)))
        {
            Parameter weight = ((MambaMixer)model.Blocks[1].Mixer).Ssm.XProjection.Weight;
            float[] values = weight.Value.ToArray();
            values[5] = value;
            weight.Value.CopyFrom(values);
            model.Save(_folder.Path);
        }

        _folder.ShouldRefuse<ArithmeticException>(
            $"*model.safetensors: \"backbone.layers.1.mixer.x_proj.weight\" cannot be stored as {precision}: *",
            "",
            precision);
    }

    private void WritePointer(string name) => File.WriteAllText(
        _folder[name],
        $"version https://git-lfs.github.com/spec/v1\noid sha256:{new string('0', 64)}\nsize 548105171\n");
}
