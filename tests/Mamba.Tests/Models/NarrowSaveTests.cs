using Mamba.Checkpoints;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Training;
using Mamba.Optimization;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Models;

/// <summary>What is saved of a model whose matrices are narrow is what they stand for.</summary>
public sealed class NarrowSaveTests
{
    // The embedding, 9,000 x 32, is larger than the writer's piece of 2^18 elements.
    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 9000,
        Layers = [.. Enumerable.Repeat(new Mamba2MixerOptions { ModelDim = 32, StateDim = 8, HeadDim = 16 }, 2)],
    };

    public static TheoryData<Precision, ElementType> All
    {
        get
        {
            TheoryData<Precision, ElementType> all = [];
            foreach (Precision precision in Enum.GetValues<Precision>())
            {
                foreach (ElementType type in (ElementType[])[ElementType.F32, ElementType.BF16, ElementType.F16])
                {
                    all.Add(precision, type);
                }
            }

            return all;
        }
    }

    public static TheoryData<Precision> Precisions => [.. Enum.GetValues<Precision>()];

    [Theory]
    [MemberData(nameof(All))]
    public void A_saved_model_has_the_numbers_that_its_weights_stand_for(Precision precision, ElementType type)
    {
        using TemporaryFolder folder = new();
        using CpuDevice device = TestDevice.Cpu(2);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        model.Narrow(precision);

        model.Save(folder.Path, type);

        using MambaLanguageModel loaded = MambaLanguageModel.Load(folder.Path, device);
        ShouldHaveTheWeightsOf(loaded, model, type);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Adapters_are_merged_into_the_numbers_that_narrow_weights_stand_for(
        Precision precision, ElementType type)
    {
        using TemporaryFolder folder = new();
        using CpuDevice device = TestDevice.Cpu(2);
        using MambaLanguageModel model = Adapted(device, precision), merged = Adapted(device, precision);

        model.Save(folder.Path, type);

        LowRank.Merge(merged).Should().Be(4);
        using MambaLanguageModel loaded = MambaLanguageModel.Load(folder.Path, device);
        ShouldHaveTheWeightsOf(loaded, merged, type);
    }

    [Theory]
    [MemberData(nameof(Precisions))]
    public void A_trainer_exports_what_the_narrow_weights_and_their_adapters_compute(Precision precision)
    {
        using TemporaryFolder folder = new();
        using CpuDevice device = TestDevice.Cpu(2);
        using MambaLanguageModel model = Adapted(device, precision);
        using AdamW optimizer = new(model, new() { LearningRate = 1e-2 });
        using Trainer trainer = new(
            model, optimizer, new() { Steps = 3, Folder = folder.Path }, _ => model.Loss([1, 2, 3, 4, 5, 6]));

        TrainingResult result = trainer.Run(cancellation: TestContext.Current.CancellationToken);

        using MambaLanguageModel loaded = MambaLanguageModel.Load(result.Checkpoint!, device);
        using DeviceScope scope = device.Scope();
        loaded.Forward([1, 2, 3]).ToArray().ShouldBeClose(model.Forward([1, 2, 3]).ToArray(), 1e-5);
    }

    [Theory]
    [MemberData(nameof(Precisions))]
    public void Merging_leaves_float32_that_computes_what_narrow_weights_and_adapters_did(Precision precision)
    {
        using CpuDevice device = TestDevice.Cpu(2);
        using MambaLanguageModel model = Adapted(device, precision);
        using DeviceScope scope = device.Scope();
        float[] expected = model.Forward([1, 2, 3]).ToArray();

        LowRank.Merge(model);

        model.Forward([1, 2, 3]).ToArray().ShouldBeClose(expected, 1e-5);
        model.Blocks[0].Mixer.Parameters.Should().OnlyContain(named => named.Parameter.IsTrainable);
    }

    [Theory]
    [InlineData(Precision.Int8)]
    [InlineData(Precision.Int4)]
    public void Views_that_would_break_rows_of_blocks_are_refused(Precision precision)
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using DeviceScope scope = device.Scope();
        DeviceArray array = device.Allocate([4, 64], precision);

        array.Invoking(a => a.Reshape([1, 256])).Should().Throw<ArgumentException>().WithMessage(
            $"Cannot reshape [4, 64] of {precision} to [1, 256]: its last axis must stay*");
        array.Invoking(a => a.Slice(32, 32)).Should().Throw<ArgumentException>().WithMessage(
            $"Cannot slice columns 32 to 63 of [4, 64] of {precision}*");
        device.Invoking(d => d.Allocate([4, 48], precision)).Should().Throw<ArgumentException>().WithMessage(
            $"Rows of {precision} are multiples of 32 wide*found [4, 48].");
    }

    [Theory]
    [MemberData(nameof(Precisions))]
    public void Views_that_keep_whole_rows_have_the_elements_of_the_array(Precision precision)
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using DeviceScope scope = device.Scope();
        DeviceArray array = device.Allocate([4, 256], precision);
        array.CopyFrom(Samples.Normal(1, 1024));
        float[] values = array.ToArray();

        array.Reshape([2, 2, 256]).ToArray().ShouldHaveTheBitsOf(values);
        array.Slice(0, 256).ToArray().ShouldHaveTheBitsOf(values);
        float[] part = new float[270];
        array.ReadElements(250, part);
        part.ShouldHaveTheBitsOf(values[250..520]);
    }

    [Theory]
    [InlineData(Precision.BFloat16)]
    [InlineData(Precision.Float16)]
    public void Slices_of_halves_have_the_elements_of_their_columns(Precision precision)
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using DeviceScope scope = device.Scope();
        DeviceArray array = device.Allocate([3, 5], precision);
        array.CopyFrom([0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24]);

        array.Slice(1, 3).ToArray().Should().Equal(1, 2, 3, 11, 12, 13, 21, 22, 23);
        array.Reshape([5, 3]).ToArray().Should().Equal(array.ToArray());
        array.Slice(2, 2).CopyFrom([7, 8, 17, 18, 27, 28]);
        array.ToArray().Should().Equal(0, 1, 7, 8, 4, 10, 11, 17, 18, 14, 20, 21, 27, 28, 24);
    }

    private static MambaLanguageModel Adapted(Device device, Precision precision)
    {
        MambaLanguageModel model = new(device, Config, new Random(1));
        model.Narrow(precision);
        LowRank.Adapt(model, new() { Rank = 2 }, new Random(2)).Should().Be(4);
        foreach ((string name, Parameter parameter) in model.Parameters)
        {
            if (name.EndsWith("adapter.b", StringComparison.Ordinal))
            {
                parameter.Value.CopyFrom(Samples.Normal(3, (int)parameter.Value.Shape.Count, 0.05));
            }
        }

        return model;
    }

    private static void ShouldHaveTheWeightsOf(MambaLanguageModel loaded, MambaLanguageModel saved, ElementType type)
    {
        foreach (((string name, Parameter actual), (_, Parameter expected)) in loaded.Parameters.Zip(saved.Parameters))
        {
            float[] stored = Array.ConvertAll(expected.Value.ToArray(), value => type switch
            {
                ElementType.F16 => (float)(Half)value,
                ElementType.BF16 => Samples.Narrowed(value),
                _ => value,
            });
            actual.Value.ToArray().ShouldHaveTheBitsOf(stored, name);
        }
    }
}
