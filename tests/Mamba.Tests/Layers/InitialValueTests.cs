using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;

namespace Mamba.Tests.Layers;

public sealed class InitialValueTests
{
    [Fact]
    public void A_of_Mamba1_is_minus_one_to_minus_N_in_every_channel()
    {
        using Device device = TestDevice.Open();
        using MambaMixer mixer = new(device, new() { ModelDim = 8, StateDim = 5 }, new Random(1));

        float[] aLog = mixer.Ssm.ALog.Value.ToArray();

        for (int i = 0; i < aLog.Length; i++)
        {
            MathF.Exp(aLog[i]).Should().BeApproximately((i / 16) + 1, 1e-5f);
        }
    }

    [Fact]
    public void A_of_Mamba2_is_uniform_between_minus_sixteen_and_minus_one()
    {
        using Device device = TestDevice.Open();
        using Mamba2Mixer mixer = new(device, new() { ModelDim = 1024, HeadDim = 1, StateDim = 1 }, new Random(1));

        float[] a = Array.ConvertAll(mixer.ALog.Value.ToArray(), MathF.Exp);

        a.Should().OnlyContain(value => value > 0.999f && value < 16.001f);
        a.Average().Should().BeApproximately(8.5f, 0.5f);
    }

    [Fact]
    public void A_of_S4D_is_that_of_S4D_Lin_or_S4D_Real_in_every_channel()
    {
        using Device device = TestDevice.Open();
        using S4dMixer complex = new(device, new() { ModelDim = 8, StateDim = 6 }, new Random(1));
        using S4dMixer real = new(device, new() { ModelDim = 8, StateDim = 6, IsComplex = false }, new Random(1));

        complex.ALog.Value.Shape.ToArray().Should().Equal(3, 16);
        Array.ConvertAll(complex.ALog.Value.ToArray(), MathF.Exp).Should().OnlyContain(a => Math.Abs(a - 0.5f) < 1e-6f);
        complex.AImaginary!.Value.ToArray().Should().Equal(
            Enumerable.Range(0, 3).SelectMany(n => Enumerable.Repeat((float)(n * Math.PI), 16)));
        Array.ConvertAll(real.ALog.Value.ToArray(), value => MathF.Round(MathF.Exp(value), 4)).Should().Equal(
            Enumerable.Range(0, 6).SelectMany(n => Enumerable.Repeat(n + 1f, 16)));
        real.AImaginary.Should().BeNull();
    }

    [Fact]
    public void C_of_S4D_is_normal_of_variance_one()
    {
        using Device device = TestDevice.Open();
        using S4dMixer mixer = new(device, new() { ModelDim = 512, StateDim = 8 }, new Random(1));

        float[] parts = mixer.C.Value.ToArray();

        parts.Average().Should().BeApproximately(0, 0.05f);
        parts.Average(part => part * part).Should().BeApproximately(0.5f, 0.05f, "of two parts");
    }

    [Fact]
    public void Softplus_of_the_bias_of_delta_is_log_uniform()
    {
        using Device device = TestDevice.Open();
        using MambaMixer mixer = new(device, new() { ModelDim = 1024, StateDim = 1 }, new Random(1));

        double[] logs = Array.ConvertAll(
            mixer.Ssm.TimeStep.Bias!.Value.ToArray(), value => Math.Log10(Math.Log(1 + Math.Exp(value))));

        logs.Should().OnlyContain(value => value > -3.001 && value < -0.999);
        logs.Average().Should().BeApproximately(-2, 0.05);
    }

    [Fact]
    public void Output_projections_are_scaled_by_the_number_of_layers()
    {
        using Device device = TestDevice.Open();
        using MambaLanguageModel model = new(device, LanguageModelConfig.Mamba1(32, 16, 10), new Random(1));
        MambaMixer mixer = (MambaMixer)model.Blocks[3].Mixer;

        // Uniform in ±1/√64, over √16 layers.
        mixer.OutProjection.Weight.Value.ToArray().Max().Should().BeApproximately(1f / 8 / 4, 1e-3f);
        mixer.InProjection.Weight.Value.ToArray().Max().Should().BeApproximately(1f / MathF.Sqrt(32), 1e-2f);
    }

    [Fact]
    public void Parameters_have_stable_names_and_a_disposed_module_frees_them()
    {
        using Device device = TestDevice.Open();
        long before = device.AllocatedBytes;
        MambaLanguageModel model = new(device, LanguageModelConfig.Mamba2(64, 1, 10), new Random(1));

        model.Parameters.Select(named => named.Name).Should().Equal(
            "embedding.weight",
            "blocks.0.norm.weight",
            "blocks.0.mixer.dt_bias",
            "blocks.0.mixer.a_log",
            "blocks.0.mixer.d",
            "blocks.0.mixer.norm.weight",
            "blocks.0.mixer.convolution.weight",
            "blocks.0.mixer.convolution.bias",
            "blocks.0.mixer.in_projection.weight",
            "blocks.0.mixer.out_projection.weight",
            "final_norm.weight");
        model.Dispose();
        device.AllocatedBytes.Should().Be(before);
    }

    [Fact]
    public void Options_that_make_no_sense_are_refused_by_name()
    {
        Action negative = () => new MambaMixerOptions { ModelDim = 8, StateDim = -1 }.Validate();
        Action heads = () => new Mamba2MixerOptions { ModelDim = 8, HeadDim = 5 }.Validate();
        Action groups = () => new Mamba2MixerOptions { ModelDim = 8, HeadDim = 4, Groups = 3 }.Validate();
        Action wide = () => new Mamba2MixerOptions { ModelDim = 8, HeadDim = 4, SsmDim = 20 }.Validate();
        Action half = () => new S4dMixerOptions { ModelDim = 8, StateDim = 5 }.Validate();

        negative.Should().Throw<ArgumentOutOfRangeException>().WithMessage("*StateDim*");
        heads.Should().Throw<ArgumentException>().WithMessage("HeadDim*SsmDim*5*16*");
        groups.Should().Throw<ArgumentException>().WithMessage("Groups*Heads*3*4*");
        wide.Should().Throw<ArgumentOutOfRangeException>().WithMessage("*SsmDim*");
        half.Should().Throw<ArgumentException>().WithMessage("StateDim*even*5*");
    }
}
