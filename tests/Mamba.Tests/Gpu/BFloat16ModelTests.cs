using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Gpu;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Optimization;

namespace Mamba.Tests.Gpu;

/// <summary>Whole models whose activations are bfloat16, against the processor's float32.</summary>
public sealed class BFloat16ModelTests
{
    // Eight bits of precision, rounded once or twice a layer.
    private const double Tolerance = 2e-2;

    // Of one parameter's gradient. That of log A adds up terms of both signs over all tokens, and loses digits in it:
    // the SSD by itself keeps to the first tolerance.
    private const double PartTolerance = 0.1;

    private static readonly int[] Ids = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8];

    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 16,
        VocabularyMultiple = 8,
        TieEmbeddings = true,
        Layers =
        [
            new MambaMixerOptions { ModelDim = 12, StateDim = 4 },
            new Mamba2MixerOptions { ModelDim = 12, StateDim = 8, HeadDim = 6 },
        ],
    };

    [Fact]
    public void Logits_and_gradients_are_those_of_float32_to_eight_bits()
    {
        using GpuDevice narrow = TestDevice.OpenGpu(Precision.BFloat16);
        using CpuDevice full = TestDevice.Cpu(1);

        Dictionary<string, double[]> actual = Run(narrow), expected = Run(full);

        Distance(actual["logits"], expected["logits"]).Should().BeLessThan(Tolerance);
        Distance(GradientOf(actual), GradientOf(expected)).Should().BeLessThan(Tolerance);
        foreach ((string name, double[] values) in expected)
        {
            Distance(actual[name], values).Should().BeLessThan(PartTolerance, name);
        }
    }

    [Fact]
    public void Narrow_weights_give_the_same_steps_to_eight_bits()
    {
        using GpuDevice narrow = TestDevice.OpenGpu(Precision.BFloat16);
        using CpuDevice full = TestDevice.Cpu(1);
        using MambaLanguageModel model = new(narrow, Config, new Random(5)), exact = new(full, Config, new Random(5));
        using ModelState state = model.CreateState(), exactState = exact.CreateState();
        float[] logits = new float[16], expected = new float[16];

        model.Narrow();
        foreach (int id in Ids)
        {
            model.Step([id], state, logits);
            exact.Step([id], exactState, expected);
        }

        model.Embedding.Weight.Value.Precision.Should().Be(Precision.BFloat16);
        model.Parameters.Should().OnlyContain(
            named => named.Parameter.IsTrainable == (named.Parameter.Value.Precision == Precision.Float32),
            "narrow weights are not trained");
        Distance([.. logits.Select(v => (double)v)], [.. expected.Select(v => (double)v)])
            .Should().BeLessThan(Tolerance);
    }

    [Fact]
    public void Training_with_float32_weights_lowers_the_loss_as_float32_does()
    {
        using GpuDevice narrow = TestDevice.OpenGpu(Precision.BFloat16);
        Assert.SkipWhen(narrow.Info.Kind == GpuKind.Emulation && !Thorough.IsAsked, Thorough.Reason);
        using CpuDevice full = TestDevice.Cpu(1);

        (double First, double Last) actual = Train(narrow), expected = Train(full);

        actual.First.Should().BeApproximately(expected.First, Tolerance * expected.First);
        actual.Last.Should().BeApproximately(expected.Last, 5 * Tolerance * expected.First);
        actual.Last.Should().BeLessThan(0.8 * actual.First);
    }

    private static double[] GradientOf(Dictionary<string, double[]> results) =>
        [.. results.Where(pair => pair.Key != "logits").SelectMany(pair => pair.Value)];

    private static Dictionary<string, double[]> Run(Device device)
    {
        using MambaLanguageModel model = new(device, Config, new Random(5));
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        Dictionary<string, double[]> results = new()
        {
            ["logits"] = Doubles(model.Forward(Ids)),
        };
        tape.Backward(model.Loss(Ids));
        foreach ((string name, Parameter parameter) in model.Parameters)
        {
            results.Add(name, Doubles(parameter.Gradient));
        }

        return results;
    }

    private static (double First, double Last) Train(Device device)
    {
        using MambaLanguageModel model = new(device, Config, new Random(5));
        using AdamW optimizer = new(model, new() { LearningRate = 5e-3 });
        List<double> losses = [];
        for (int step = 0; step < 12; step++)
        {
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            model.ClearGradients();
            DeviceArray loss = model.Loss(Ids);
            tape.Backward(loss);
            optimizer.Step();
            losses.Add(loss.ToArray()[0]);
        }

        return (losses[0], losses[^1]);
    }

    private static double[] Doubles(DeviceArray array) => Array.ConvertAll(array.ToArray(), value => (double)value);

    private static double Distance(double[] actual, double[] expected)
    {
        double difference = actual.Zip(expected, (a, e) => (a - e) * (a - e)).Sum();
        return Math.Sqrt(difference / expected.Sum(e => e * e));
    }
}
