using Mamba.Checkpoints;
using Mamba.Layers;
using Mamba.Models;

namespace Mamba.Tests.Models;

/// <summary>Tensors under the names that wrappers and other libraries give them.</summary>
public sealed class CheckpointNameTests : IDisposable
{
    private static readonly LanguageModelConfig Config =
        CheckpointFolder.Of(new MambaMixerOptions { ModelDim = 8, StateDim = 4 }) with { TieEmbeddings = false };

    private readonly CheckpointFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("_orig_mod.", "_orig_mod.")]
    [InlineData("module.", "module.")]
    [InlineData("model.", "model.")]
    [InlineData("module._orig_mod.", "module._orig_mod.")]
    [InlineData("_orig_mod.model.module.", "_orig_mod.model.module.")]
    [InlineData("model.", "")] // the head beside a wrapped model
    public void Words_in_front_of_all_names_are_passed_over(string backbone, string head)
    {
        float[] logits = _folder.Save(Config);
        _folder.Rename(name => (name == "lm_head.weight" ? head : backbone) + name);

        _folder.LoadedLogits().ShouldHaveTheBitsOf(logits);
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("model.", "")]
    [InlineData("module.", "module.")]
    public void Names_without_the_backbone_are_understood(string prefix, string head)
    {
        float[] logits = _folder.Save(Config);
        _folder.Rename(name =>
            name == "lm_head.weight" ? head + name : prefix + name.Replace("backbone.", "", StringComparison.Ordinal));

        _folder.LoadedLogits().ShouldHaveTheBitsOf(logits);
    }

    [Fact]
    public void The_original_spelling_of_the_embedding_is_understood()
    {
        float[] logits = _folder.Save(Config);
        _folder.Rename(name => name.Replace("embeddings", "embedding", StringComparison.Ordinal));

        _folder.LoadedLogits().ShouldHaveTheBitsOf(logits);
    }

    [Fact]
    public void Names_of_which_only_some_have_a_prefix_are_refused()
    {
        _folder.Save(Config);
        _folder.Rename(name => name.Contains("layers.1", StringComparison.Ordinal) ? $"model.{name}" : name);

        _folder.ShouldRefuse<InvalidDataException>("*\"backbone.layers.1.*missing; found * tensors: \"*");
    }

    [Fact]
    public void Two_tensors_of_one_name_are_refused()
    {
        _folder.Save(Config);
        SafetensorsWriter writer = new();
        using (SafetensorsFile source = SafetensorsFile.Open(_folder["model.safetensors"]))
        {
            foreach (TensorInfo info in source.Tensors.Values)
            {
                writer.Add(info.Name, ElementType.F32, info.Shape, (_, target) => target.Clear());
            }
        }

        writer.Add("backbone.embedding.weight", ElementType.F32, [11, 8], (_, target) => target.Clear());
        writer.Save(_folder["model.safetensors"]);

        _folder.ShouldRefuse<InvalidDataException>(
            "*one tensor \"backbone.embeddings.weight\"*found \"backbone.embedding*\" and \"backbone.embedding*");
    }

    [Fact]
    public void What_stays_missing_is_named_beside_names_that_are_there()
    {
        _folder.Save(Config);
        _folder.Rename(name => $"wrapped.{name}");

        _folder.ShouldRefuse<InvalidDataException>(
            "*model.safetensors: the tensor \"backbone.embeddings.weight\" is missing; found 23 tensors: \"wrapped.*");
    }

    [Fact]
    public void What_stays_unknown_is_named_as_in_the_file_beside_names_that_are_expected()
    {
        _folder.Save(Config with { TieEmbeddings = true });
        SafetensorsWriter writer = new();
        using (SafetensorsFile source = SafetensorsFile.Open(_folder["model.safetensors"]))
        {
            foreach (TensorInfo info in source.Tensors.Values)
            {
                writer.Add($"module.{info.Name}", ElementType.F32, info.Shape, (_, target) => target.Clear());
            }
        }

        writer.Add("module.backbone.layers.0.mixer.mystery", ElementType.F32, [1], (_, target) => target.Clear());
        writer.Save(_folder["model.safetensors"]);

        _folder.ShouldRefuse<InvalidDataException>(
            "*a model without a tensor \"module.backbone.layers.0.mixer.mystery\"; " +
            "expected 23 names: \"backbone.embeddings.weight\", *");
    }
}
