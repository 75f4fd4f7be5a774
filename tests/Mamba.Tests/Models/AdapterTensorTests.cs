using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Models;

/// <summary>Tensors in files of adapters that the model cannot take.</summary>
public sealed class AdapterTensorTests : IDisposable
{
    private readonly AdapterFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("backbone.embeddings", "lora_embedding_A")]
    [InlineData("backbone.layers.1.mixer.conv1d", "lora_B.weight")]
    [InlineData("backbone.norm_f", "lora_A.weight")]
    [InlineData("backbone.layers.0.mixer.x_proj", "lora_magnitude_vector")]
    public void An_adapter_beside_what_cannot_have_one_is_refused_with_what_can(string module, string adapter)
    {
        _folder.Rewrite(shapes => shapes[$"base_model.model.{module}.{adapter}"] = [7]);

        _folder.ShouldRefuse<NotSupportedException>(
            $"*\"base_model.model.{module}.{adapter}\" cannot be put beside {module}. Supported are " +
            "base_model.model.MODULE.lora_A.weight and .lora_B.weight, where MODULE ends with in_proj, x_proj, " +
            "dt_proj, out_proj, lm_head; and base_model.model.WEIGHT for the model's weights.");
    }

    [Theory]
    [InlineData("lm_head.lora_A.weight")]
    [InlineData("lm_head.lora_embedding_B")]
    [InlineData("lm_head.weight")]
    public void What_changes_a_head_that_is_the_embedding_is_refused(string name)
    {
        _folder.Rewrite(shapes =>
        {
            shapes.Clear();
            shapes.Add($"base_model.model.{name}", [11, 8]);
        });
        LanguageModelConfig config = TunedModels.Config with { TieEmbeddings = true };
        using MambaLanguageModel tied = new(_folder.Device, config, new Random(1));

        Action load = () => tied.LoadAdapters(_folder.Path);

        load.Should().Throw<NotSupportedException>().WithMessage(
            $"*\"base_model.model.{name}\" changes the head, whose weights are the embedding's in this model. *");
        tied.Parameters.Should().OnlyContain(named => named.Parameter.IsTrainable);
    }

    [Fact]
    public void Adapters_for_which_memory_does_not_suffice_leave_the_model_as_it_was()
    {
        _folder.Save();
        using ReferenceDevice device = new();
        using MambaLanguageModel model = TunedModels.Base(device);
        string[] names = TunedModels.TrainableOf(model);
        float[] embedding = model.Embedding.Weight.Value.ToArray();
        device.TrimPool();
        long before = device.AllocatedBytes;
        int failures = 0;

        for (bool loads = false; !loads; failures++)
        {
            device.AllocationsLeft = failures;
            Exception? failure = Record.Exception(() => model.LoadAdapters(_folder.Path));
            device.AllocationsLeft = null;
            device.TrimPool();
            loads = failure is null;
            if (!loads)
            {
                failure.Should().BeOfType<InsufficientMemoryException>();
                TunedModels.TrainableOf(model).Should().Equal(names);
                model.Parameters.Should().HaveCount(names.Length);
                model.Embedding.Weight.Value.ToArray().Should().Equal(embedding);
                device.AllocatedBytes.Should().Be(before);
            }
        }

        failures.Should().BeGreaterThan(14, "there are six adapters of two matrices, and two initial states");
        model.Parameters.Should().HaveCount(names.Length + 14);
    }

    [Fact]
    public void Numbers_that_a_narrow_weight_cannot_hold_are_refused_before_anything_is_changed()
    {
        Assert.SkipUnless(TestDevice.IsCpu, "A GPU has no such precisions.");
        LanguageModelConfig config = TunedModels.Config with { Layers = [new MambaMixerOptions { ModelDim = 32 }] };
        using MambaLanguageModel tuned = new(_folder.Device, config, new Random(1));
        using MambaLanguageModel narrow = new(_folder.Device, config, new Random(1));
        LowRank.Adapt(tuned, new() { Rank = 2 }, new Random(2));
        tuned.Embedding.Weight.IsTrainable = true;
        tuned.Embedding.Weight.Value.CopyFrom(Enumerable.Repeat(float.NaN, 11 * 32).ToArray());
        tuned.SaveAdapters(_folder.Path);
        narrow.Narrow(Precision.Int8);
        string[] trainable = TunedModels.TrainableOf(narrow);

        Action load = () => narrow.LoadAdapters(_folder.Path);

        load.Should().Throw<InvalidDataException>().WithMessage(
            "*backbone.embeddings.weight\" does not fit the model's Int8 weights*");
        TunedModels.TrainableOf(narrow).Should().Equal(trainable);
        narrow.Parameters.Should().NotContain(named => named.Name.Contains("adapter", StringComparison.Ordinal));
    }
}
