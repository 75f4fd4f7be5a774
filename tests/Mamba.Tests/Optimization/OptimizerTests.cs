using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Optimization;

namespace Mamba.Tests.Optimization;

public sealed class OptimizerTests
{
    // Twenty steps; each rounds a weight once or twice (6e-8) and moves it by a hundredth that is good to some 6e-8.
    private const double Tolerance = 1e-6;

    private const int Steps = 20;

    public static TheoryData<string> Names => [.. Optimizers.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void Twenty_steps_do_what_the_paper_says(string name)
    {
        using Device tested = TestDevice.Open(2);
        using Weights weights = new(tested);
        Dictionary<string, float[]> first = weights.Values;
        using Optimizer optimizer = Optimizers.Make(name, weights);

        Train(weights, optimizer, Steps);

        Dictionary<string, DeviceArray> state = optimizer.State.ToDictionary(named => named.Name, named => named.Array);
        foreach ((string parameter, float[] actual) in weights.Values)
        {
            (double[] expected, Dictionary<string, double[]> moments) =
                Optimizers.Expected(name, parameter, first[parameter], parameter == "matrix", Steps);
            actual.ShouldBeClose(expected, Tolerance, parameter);
            foreach ((string moment, double[] values) in moments)
            {
                if (state.Remove($"{moment}.{parameter}", out DeviceArray array))
                {
                    array.ToArray().ShouldBeClose(values, Tolerance, $"{moment} of {parameter}");
                }
            }
        }

        state.Should().BeEmpty("every moment has been compared");
    }

    [Theory]
    [InlineData("AdamW", "mean", "square")]
    [InlineData("Adam", "mean", "square")]
    [InlineData("Sgd")]
    [InlineData("Momentum", "momentum")]
    [InlineData("Nesterov", "momentum")]
    [InlineData("Lion", "mean")]
    public void State_is_named_by_moment_and_parameter(string name, params string[] moments)
    {
        using Device tested = TestDevice.Open();
        using Weights weights = new(tested);

        using Optimizer optimizer = Optimizers.Make(name, weights);

        optimizer.State.Select(named => named.Name).Should().Equal(
            weights.Parameters.SelectMany(named => moments.Select(moment => $"{moment}.{named.Name}")));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_resumed_run_has_the_bits_of_one_that_never_stopped(string name)
    {
        using Device tested = TestDevice.Open(2);
        using Weights whole = new(tested), before = new(tested), after = new(tested);
        using Optimizer unbroken = Optimizers.Make(name, whole), first = Optimizers.Make(name, before);
        Train(whole, unbroken, Steps);
        Train(before, first, 8);

        using Optimizer second = Optimizers.Make(name, after);
        Copy(ValuesOf(before), ValuesOf(after));
        Copy(first.State.Select(named => named.Array), second.State.Select(named => named.Array));
        second.Steps = first.Steps;
        Train(after, second, Steps - 8);

        second.Steps.Should().Be(Steps);
        ShouldBeSame(after, whole);
    }

    [Theory]
    [InlineData(1 << 30)]
    [InlineData(int.MaxValue)]
    public void Steps_are_counted_to_a_limit_and_not_beyond_32_bits(int steps)
    {
        using Device tested = TestDevice.Open();
        using Weights weights = new(tested);
        using Optimizer optimizer = Optimizers.Make("AdamW", weights);
        optimizer.Steps = steps;

        Train(weights, optimizer, 2);

        optimizer.Steps.Should().Be(steps);
        weights.Values["matrix"].Should().OnlyContain(weight => float.IsFinite(weight));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Thread_count_changes_no_bit(string name)
    {
        using CpuDevice one = TestDevice.Cpu(1), five = TestDevice.Cpu(5);
        using Weights expected = new(one, 2000), actual = new(five, 2000);
        using Optimizer first = Optimizers.Make(name, expected), second = Optimizers.Make(name, actual);

        Train(expected, first, 5);
        Train(actual, second, 5);

        ShouldBeSame(actual, expected);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_group_scales_the_learning_rate_and_says_what_decays(string name)
    {
        using Device tested = TestDevice.Open();
        using Weights grouped = new(tested), plain = new(tested), halved = new(tested);
        Dictionary<string, float[]> first = grouped.Values;
        using Optimizer optimizer = Optimizers.Make(name, grouped, (parameter, _) => parameter switch
        {
            "matrix" => new(0.5),
            "bias" => new(),
            _ => new(0, Decays: false),
        });
        using Optimizer whole = Optimizers.Make(name, plain), half = Optimizers.Make(name, halved);

        Train(grouped, optimizer, 3);
        Train(plain, whole, 3);
        Train(halved, half, 3, half.LearningRate / 2);

        grouped.Values["matrix"].ShouldHaveTheBitsOf(halved.Values["matrix"]);
        grouped.Values["bias"].ShouldBeClose(
            Optimizers.Expected(name, "bias", first["bias"], decays: true, 3).Weights, Tolerance);
        grouped.Values["bias"].Should().NotEqual(plain.Values["bias"], "biases decay in this group only");
        grouped.Values["scalar"].ShouldHaveTheBitsOf(first["scalar"]);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Gradients_are_cleared_and_what_has_none_stays(string name)
    {
        using Device tested = TestDevice.Open();
        using Weights weights = new(tested);
        Parameter[] parameters = [.. weights.Parameters.Select(named => named.Parameter)];
        using Optimizer optimizer = Optimizers.Make(name, weights);
        parameters[1].IsTrainable = false;
        Dictionary<string, float[]> first = weights.Values;

        optimizer.Step();
        weights.Values["matrix"].ShouldHaveTheBitsOf(first["matrix"]);
        Train(weights, optimizer, 1);

        parameters[0].Gradient.ToArray().Should().OnlyContain(value => value == 0);
        weights.Values["matrix"].Should().NotEqual(first["matrix"]);
        weights.Values["bias"].ShouldHaveTheBitsOf(first["bias"]);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_step_refuses_a_parameter_that_was_narrowed_since_by_name(string name)
    {
        using Device tested = TestDevice.Open();
        using Weights weights = new(tested);
        using Optimizer optimizer = Optimizers.Make(name, weights);
        Parameter matrix = weights.Parameters.First(named => named.Name == "matrix").Parameter;
        Train(weights, optimizer, 1);
        weights.AddGradients(2);
        matrix.Narrow(Precision.BFloat16);
        Dictionary<string, float[]> before = weights.Values;

        optimizer.Invoking(o => o.Step()).Should().Throw<InvalidOperationException>()
            .WithMessage("\"matrix\" was stored as BFloat16 after this *");
        optimizer.Steps.Should().Be(1);
        weights.Values["bias"].ShouldHaveTheBitsOf(before["bias"]);

        matrix.Narrow(Precision.Float32);
        Train(weights, optimizer, 1);
        weights.Values["matrix"].Should().NotEqual(before["matrix"], "it can be trained again");
    }

    [Fact]
    public void A_step_goes_on_where_narrow_weights_are_frozen_on_purpose()
    {
        using Device tested = TestDevice.Open();
        using Weights weights = new(tested);
        using Optimizer optimizer = Optimizers.Make("AdamW", weights);
        Parameter matrix = weights.Parameters.First(named => named.Name == "matrix").Parameter;
        matrix.Narrow(Precision.BFloat16);
        matrix.IsTrainable = false;
        Dictionary<string, float[]> before = weights.Values;

        Train(weights, optimizer, 1);

        weights.Values["matrix"].ShouldHaveTheBitsOf(before["matrix"]);
        weights.Values["bias"].Should().NotEqual(before["bias"]);
    }

    [Fact]
    public void A_step_is_refused_where_nothing_is_trainable_any_more()
    {
        using Device tested = TestDevice.Open();
        using Weights weights = new(tested);
        using Optimizer optimizer = Optimizers.Make("Sgd", weights);
        foreach ((_, Parameter parameter) in weights.Parameters)
        {
            parameter.IsTrainable = false;
        }

        optimizer.Invoking(o => o.Step()).Should().Throw<InvalidOperationException>()
            .WithMessage("None of the 3 parameters of this Sgd is trainable any more, \"matrix\" among them*");

        optimizer.Steps.Should().Be(0);
    }

    [Fact]
    public void A_step_is_refused_where_adapters_were_added_since()
    {
        using Device tested = TestDevice.Open();
        using GatedMlp mlp = new(tested, 4, 6, new Random(1));
        using Optimizer optimizer = Optimizers.Make("AdamW", mlp);
        LowRank.Adapt(mlp, new() { Targets = ["in", "out"] }, new Random(2));

        optimizer.Invoking(o => o.Step()).Should().Throw<InvalidOperationException>()
            .WithMessage("None of the * parameters of this AdamW is trainable any more*LowRank.Adapt*");
    }

    [Fact]
    public void Memory_does_not_grow_from_step_to_step_and_is_given_back()
    {
        using Device tested = TestDevice.Open();
        using Weights weights = new(tested);
        long before = tested.AllocatedBytes;
        Optimizer optimizer = Optimizers.Make("Lion", weights);
        tested.AllocatedBytes.Should().Be(before + (sizeof(float) * weights.ParameterCount));
        Train(weights, optimizer, 1);
        long after = tested.AllocatedBytes;

        Train(weights, optimizer, 5);
        tested.AllocatedBytes.Should().Be(after);
        optimizer.Dispose();
        optimizer.Dispose();

        tested.AllocatedBytes.Should().Be(after - (sizeof(float) * weights.ParameterCount));
    }

    [Fact]
    public void What_makes_no_sense_is_refused_by_name()
    {
        using Device tested = TestDevice.Open();
        using Weights weights = new(tested);
        using Optimizer optimizer = Optimizers.Make("Sgd", weights);
        using Optimizer scaled = Optimizers.Make("Sgd", weights, (_, _) => new(1e30));

        foreach ((Action refused, string name) in new (Action, string)[]
        {
            (() => optimizer.Step(double.NaN), "learningRate"),
            (() => optimizer.Step(-1), "learningRate"),
            (() => optimizer.Step(1e39), "learningRate"),
            (() => scaled.Step(1e9), "learningRate"),
            (() => optimizer.Steps = -1, "value"),
            (() => new AdamOptions { Beta2 = 1 }.Validate(), "Beta2"),
            (() => new AdamWOptions { Epsilon = -1 }.Validate(), "Epsilon"),
            (() => new SgdOptions { Momentum = 1 }.Validate(), "Momentum"),
            (() => new SgdOptions { Nesterov = true }.Validate(), "Nesterov"),
            (() => new LionOptions { Beta1 = double.NaN }.Validate(), "Beta1"),
            (() => new LionOptions { WeightDecay = double.PositiveInfinity }.Validate(), "WeightDecay"),
            (() => Optimizers.Make("Sgd", weights, (_, _) => new(-1)), "LearningRateScale"),
            (() => Optimizers.Make("Sgd", weights, (_, _) => new(1e39)), "LearningRateScale"),
        })
        {
            refused.Should().Throw<ArgumentOutOfRangeException>().WithParameterName(name);
        }

        optimizer.Steps.Should().Be(0, "a refused step is none");
    }

    [Fact]
    public void Defaults_are_those_of_the_authors()
    {
        new AdamWOptions().WeightDecay.Should().Be(0.01);
        new AdamOptions().WeightDecay.Should().Be(0);
        new LionOptions().LearningRate.Should().Be(1e-4);
    }

    private static void Train(Weights weights, Optimizer optimizer, int steps, double? learningRate = null)
    {
        for (int i = 0; i < steps; i++)
        {
            weights.AddGradients(optimizer.Steps + 1);
            optimizer.Step(learningRate);
        }
    }

    private static IEnumerable<DeviceArray> ValuesOf(Weights weights) =>
        weights.Parameters.Select(named => named.Parameter.Value);

    private static void Copy(IEnumerable<DeviceArray> from, IEnumerable<DeviceArray> to)
    {
        foreach ((DeviceArray source, DeviceArray target) in from.Zip(to))
        {
            target.CopyFrom(source.ToArray());
        }
    }

    private static void ShouldBeSame(Weights actual, Weights expected)
    {
        Dictionary<string, float[]> values = expected.Values;
        foreach ((string name, float[] array) in actual.Values)
        {
            array.ShouldHaveTheBitsOf(values[name], name);
        }
    }
}
