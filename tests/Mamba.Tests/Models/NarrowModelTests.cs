using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;

namespace Mamba.Tests.Models;

/// <summary>Models on the CPU whose matrices are stored in fewer bits.</summary>
public sealed class NarrowModelTests
{
    private static readonly int[] Ids = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7];

    public static TheoryData<Precision> Narrow =>
        [Precision.BFloat16, Precision.Float16, Precision.Int8, Precision.Int4];

    private static LanguageModelConfig Config => new()
    {
        VocabularySize = 40,
        Layers =
        [
            new MambaMixerOptions { ModelDim = 32, StateDim = 4 },
            new Mamba2MixerOptions { ModelDim = 32, StateDim = 8, HeadDim = 16 },
        ],
    };

    [Theory]
    [MemberData(nameof(Narrow))]
    public void A_narrow_model_computes_with_the_numbers_that_its_weights_stand_for(Precision precision)
    {
        using CpuDevice device = TestDevice.Cpu(2);
        using MambaLanguageModel narrow = new(device, Config, new Random(1)), wide = new(device, Config, new Random(1));
        narrow.Narrow(precision);
        wide.Narrow(precision);
        wide.Narrow(Precision.Float32);

        narrow.Forward(Ids).ToArray().ShouldHaveTheBitsOf(wide.Forward(Ids).ToArray());
        Steps(narrow).ShouldHaveTheBitsOf(Steps(wide));
    }

    [Fact]
    public void Matrices_become_narrow_and_cannot_be_trained_and_all_else_stays()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));

        model.Narrow(Precision.Int8);

        Dictionary<string, Parameter> parameters = model.Parameters.ToDictionary();
        Check("embedding.weight", Precision.Int8);
        Check("blocks.0.mixer.in_projection.weight", Precision.Int8);
        Check("blocks.1.mixer.out_projection.weight", Precision.Int8);
        Check("blocks.0.mixer.dt_projection.weight", Precision.BFloat16); // rows of 2 are no blocks
        Check("blocks.0.mixer.a_log", Precision.Float32);
        Check("blocks.0.mixer.d", Precision.Float32);
        parameters.Where(named => named.Key.Contains("conv", StringComparison.Ordinal))
            .Should().HaveCount(4).And.OnlyContain(named => named.Value.Value.Precision == Precision.Float32);

        void Check(string name, Precision expected)
        {
            parameters[name].Value.Precision.Should().Be(expected);
            parameters[name].IsTrainable.Should().Be(expected == Precision.Float32);
        }
    }

    [Theory]
    [MemberData(nameof(Narrow))]
    public void Loading_in_a_precision_is_loading_and_then_narrowing(Precision precision)
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        try
        {
            using CpuDevice device = TestDevice.Cpu(1), other = TestDevice.Cpu(1);
            LanguageModelConfig config = LanguageModelConfig.Mamba2(32, 2, 40);
            using MambaLanguageModel model = new(device, config, new Random(1));
            model.Save(folder);
            model.Narrow(precision);

            using MambaLanguageModel loaded = MambaLanguageModel.Load(folder, other, precision: precision);

            loaded.Parameters.Select(named => named.Parameter.Value.Precision)
                .Should().Equal(model.Parameters.Select(named => named.Parameter.Value.Precision));
            Steps(loaded).ShouldHaveTheBitsOf(Steps(model));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_weight_that_does_not_fit_leaves_its_matrix_as_it_was_and_no_memory_behind()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using Linear linear = new(device, 32, 2, false, new Random(1));
        float[] values = new float[64];
        values[3] = float.NaN;
        linear.Weight.Value.CopyFrom(values);
        long before = device.AllocatedBytes;

        linear.Invoking(layer => layer.Narrow(Precision.Int8)).Should().Throw<ArithmeticException>();

        linear.Weight.Value.ToArray().ShouldHaveTheBitsOf(values);
        linear.Weight.IsTrainable.Should().BeTrue();
        device.AllocatedBytes.Should().Be(before);
    }

    [Theory]
    [InlineData(Precision.Float16, 1e5f)]
    [InlineData(Precision.Int8, float.NaN)]
    [InlineData(Precision.Int4, float.PositiveInfinity)]
    public void A_model_with_a_weight_that_does_not_fit_stays_as_it_was(Precision precision, float weight)
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        (string name, Parameter last) = model.Parameters.Last(
            named => named.Parameter.Decays && named.Name.EndsWith("out_projection.weight", StringComparison.Ordinal));
        float[] values = last.Value.ToArray();
        values[3] = weight;
        last.Value.CopyFrom(values);

        model.Invoking(m => m.Narrow(precision))
            .Should().Throw<ArithmeticException>().WithMessage($"\"{name}\" cannot be stored as {precision}.*");

        model.Parameters.Should().OnlyContain(
            named => named.Parameter.Value.Precision == Precision.Float32 && named.Parameter.IsTrainable);
    }

    [Fact]
    public void A_step_of_narrow_weights_allocates_nothing()
    {
        using CpuDevice device = TestDevice.Cpu(2);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        using ModelState state = model.CreateState();
        model.Narrow(Precision.Int4);
        float[] logits = new float[model.Config.PaddedVocabularySize];
        int[] id = [1];
        for (int i = 0; i < 3; i++)
        {
            model.Step(id, state, logits);
        }

        long allocated = Allocations.Of(() => model.Step(id, state, logits));

        allocated.Should().Be(0);
    }

    private static float[] Steps(MambaLanguageModel model)
    {
        using ModelState state = model.CreateState(batch: 2);
        float[] logits = new float[2 * model.Config.PaddedVocabularySize];
        foreach (int id in Ids)
        {
            model.Step([id, (id + 1) % 10], state, logits);
        }

        return logits;
    }
}
