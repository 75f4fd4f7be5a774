using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Training;
using Mamba.Optimization;

namespace Mamba.Tests.Layers;

/// <summary>
/// Modules are put together right, or refused by name; what cannot be trained is not trained in silence.
/// </summary>
public sealed class ModuleTests
{
    [Fact]
    public void A_part_with_two_names_or_owners_counts_once()
    {
        using Device device = TestDevice.OpenBare();
        using Linear shared = new(device, 3, 3, true, new Random(1));
        using Parts inner = new(device, ("shared", shared));
        using Parts outer = new(device, ("first", shared), ("again", shared), ("inner", inner));

        outer.Parameters.Select(named => named.Name).Should().Equal("first.weight", "first.bias");
        outer.ParameterCount.Should().Be(12);
        using Sgd optimizer = new(outer, new() { LearningRate = 1, WeightDecay = 0.5 });
        float[] before = shared.Weight.Value.ToArray();
        new GradientBuckets(outer).Dispose();
        using (GradientBuckets buckets = new(outer))
        {
            optimizer.Step();
            shared.Weight.Value.ToArray().Should().Equal(before.Select(value => value * 0.5f), "it decays once");
        }
    }

    [Fact]
    public void Parts_that_do_not_fit_are_refused()
    {
        using Device device = TestDevice.OpenBare();
        using CpuDevice other = new(3);
        using Linear part = new(device, 2, 2, false, new Random(1)), foreign = new(other, 2, 2, false, new Random(1));
        using Parts module = new(device, ("part", part));

        Refused<ArgumentNullException>(() => module.Add("none", null!), "*module*");
        Refused<ArgumentException>(() => module.Add("", part), "*");
        Refused<ArgumentException>(
            () => module.Add("part", new Linear(device, 2, 2, false, null)), "*part or parameter \"part\" already*");
        Refused<ArgumentException>(() => module.Add("foreign", foreign), "\"foreign\" is on*3 threads*");
        Refused<ArgumentException>(() => module.Add("self", module), "*cannot be a part of it*");
        using Parts owner = new(device, ("module", module));
        Refused<ArgumentException>(() => module.Add("owner", owner), "*cannot be a part of it*");
        module.AddWeights("own", [2]);
        Refused<ArgumentException>(() => module.AddWeights("own", [3]), "*part or parameter \"own\" already*");
        Refused<ArgumentException>(() => module.AddWeights("part", [3]), "*part or parameter \"part\" already*");
        Refused<ArgumentException>(() => module.Add("own", new Linear(device, 2, 2, false, null)), "*\"own\" already*");
        module.Parameters.Select(named => named.Name).Should().Equal("own", "part.weight");
    }

    [Fact]
    public void A_part_without_a_name_has_the_names_of_its_owner()
    {
        using Device device = TestDevice.OpenBare();
        using Linear linear = new(device, 2, 3, true, new Random(1));
        using Parts middle = new(device, ("linear", linear)), owner = new(device);
        middle.AddWeights("scale", [2], Initial.Constant(new Random(1), 1f));
        owner.AddWeights("own", [1], Initial.Constant(new Random(1), 1f));

        owner.AddUnnamed(middle);

        owner.Parameters.Select(named => named.Name).Should().Equal("own", "scale", "linear.weight", "linear.bias");
        using Parts outer = new(device, ("part", owner));
        outer.Parameters.Select(named => named.Name).Should().Equal(
            "part.own", "part.scale", "part.linear.weight", "part.linear.bias");
        outer.Modules.Select(named => named.Name).Should().Equal("part", "part", "part.linear");
        Refused<ArgumentException>(() => owner.AddWeights("scale", [1]), "*part or parameter \"scale\" already*");
        Refused<ArgumentException>(() => owner.Add("linear", linear), "*part or parameter \"linear\" already*");
        using Parts same = new(device);
        same.AddWeights("own", [1]);
        Refused<ArgumentException>(() => owner.AddUnnamed(same), "*part or parameter \"own\" already*");
    }

    [Fact]
    public void First_values_that_fail_leave_no_memory_behind()
    {
        using Device device = TestDevice.OpenBare();
        using Parts module = new(device);
        long before = device.AllocatedBytes;

        Action add = () => module.AddWeights("w", [100], _ => throw new InvalidOperationException("no values"));

        add.Should().Throw<InvalidOperationException>().WithMessage("no values");
        device.AllocatedBytes.Should().Be(before);
        module.Parameters.Should().BeEmpty();
    }

    [Fact]
    public void Weights_that_nobody_has_set_are_refused_by_name()
    {
        using Device device = TestDevice.Open();
        using MambaMixer mixer = new(device, new() { ModelDim = 6 }, random: null);
        DeviceArray x = device.Zeros([1, 2, 6]);

        Refused<InvalidOperationException>(() => mixer.Forward(x), "Weights [24, 6] were never set*random: null*");
        Refused<InvalidOperationException>(
            () => new AdamW(mixer, new()).Dispose(), "The weights \"*\" were never set*");
        foreach ((_, Parameter parameter) in mixer.Parameters)
        {
            parameter.Value.CopyFrom(Samples.Normal(1, (int)parameter.Value.Shape.Count, 0.1));
        }

        mixer.Forward(x).ToArray().Should().OnlyContain(value => float.IsFinite(value));
    }

    [Fact]
    public void Narrow_weights_are_not_trained_in_silence()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using MambaLanguageModel model = Narrowed(), adapted = Narrowed(), frozen = Narrowed(), widened = Narrowed();

        Refused<InvalidOperationException>(
            () => new AdamW(model, new()).Dispose(),
            "* matrices are narrow and cannot be trained, \"embedding.weight\" among them*");
        Parameter matrix = model.Parameters.First().Parameter;
        Refused<InvalidOperationException>(
            () => matrix.IsTrainable = true, "Weights [32, 32] of Int8 cannot be trained*");

        LowRank.Adapt(adapted, new() { Rank = 2 }, new Random(1));
        new AdamW(adapted, new()).Dispose();
        foreach ((_, Parameter parameter) in frozen.Parameters.Where(
            named => named.Parameter.Value.Precision != Precision.Float32))
        {
            parameter.IsTrainable = false;
        }

        new AdamW(frozen, new()).Dispose();
        widened.Narrow(Precision.Float32);
        widened.Parameters.Should().OnlyContain(named => named.Parameter.IsTrainable);
        new AdamW(widened, new()).Dispose();

        MambaLanguageModel Narrowed()
        {
            MambaLanguageModel made = new(device, LanguageModelConfig.Mamba1(32, 1, 32), new Random(1));
            made.Narrow(Precision.Int8);
            return made;
        }
    }

    [Fact]
    public void An_optimiser_without_parameters_is_refused()
    {
        using Device device = TestDevice.OpenBare();
        using Linear frozen = new(device, 2, 2, false, new Random(1));
        using Linear disposed = new(device, 2, 2, false, new Random(1));
        frozen.Weight.IsTrainable = false;

        Refused<InvalidOperationException>(
            () => new Sgd(frozen, new()).Dispose(), "This Linear has no trainable parameter*");
    }

    [Fact]
    public void A_trainer_takes_the_optimiser_of_its_own_module()
    {
        using Device device = TestDevice.OpenBare();
        using MambaLanguageModel model = Model(), other = Model();
        using AdamW foreign = new(other, new()), part = new(model.FinalNorm, new()), early = Early();

        Refused<ArgumentException>(
            () => Train(foreign), "The optimiser was made of another module: 12 of its 12 parameters*");
        Refused<ArgumentException>(
            () => Train(part), "The optimiser does not change \"embedding.weight\", which is trainable*");
        Refused<ArgumentException>(
            () => Train(early), "The optimiser does not change \"final_norm.weight\"*Make the optimiser last*");
        using AdamW own = new(model, new());
        Train(own);

        MambaLanguageModel Model() => new(device, LanguageModelConfig.Mamba1(8, 1, 16), new Random(1));

        AdamW Early()
        {
            model.FinalNorm.Weight.IsTrainable = false;
            AdamW made = new(model, new());
            model.FinalNorm.Weight.IsTrainable = true;
            return made;
        }

        void Train(Optimizer optimizer)
        {
            using Trainer trainer = new(model, optimizer, new() { Steps = 1 }, _ => model.Loss([1, 2, 3]));
            trainer.Run(cancellation: TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public void Inputs_of_another_shape_are_named()
    {
        using Device device = TestDevice.Open();
        using MambaMixer mixer = new(device, new() { ModelDim = 6 }, new Random(1));
        using Mamba2Mixer wide = new(device, new() { ModelDim = 6, HeadDim = 4, StateDim = 4 }, new Random(1));
        using Linear linear = new(device, 6, 2, false, new Random(1));
        using RmsNorm norm = new(device, 6);
        using LayerState state = mixer.CreateState(1), foreign = wide.CreateState(1), two = mixer.CreateState(2);
        DeviceArray x = device.Zeros([1, 2, 6]);

        Refused<ArgumentException>(
            () => mixer.Forward(device.Zeros([1, 2, 5])), "Expected x of shape [batch, length, 6]; found [1, 2, 5]*");
        Refused<ArgumentException>(
            () => mixer.Forward(device.Zeros([2, 6])), "Expected x of shape [batch, length, 6]; found [2, 6]*");
        Refused<ArgumentException>(() => mixer.Forward(default), "x is required*");
        Refused<ArgumentException>(
            () => linear.Forward(device.Zeros([1, 2, 5])), "The input [1, 2, 5] has width 5; this Linear takes 6*");
        Refused<ArgumentException>(
            () => norm.Forward(device.Zeros([1, 5])), "The input [1, 5] has width 5; this RmsNorm takes 6*");
        Refused<ArgumentException>(
            () => mixer.Forward(x, foreign),
            "The state is of another layer or device than this MambaMixer*CreateState*");
        Refused<ArgumentException>(() => mixer.Forward(x, two), "The state holds 2 sequences; the input has 1*");
        Refused<ArgumentNullException>(() => mixer.Step(device.Zeros([1, 1, 6]), null!), "*state*");
        mixer.Forward(x, state).Shape.ToArray().Should().Equal(1, 2, 6);
    }

    private static void Refused<TException>(Action action, string message)
        where TException : Exception => action.Should().Throw<TException>().WithMessage(message);

    private sealed class Parts : Module
    {
        public Parts(Device device, params ReadOnlySpan<(string Name, Module Module)> parts)
            : base(device)
        {
            foreach ((string name, Module module) in parts)
            {
                AddModule(name, module);
            }
        }

        public void Add(string name, Module module) => AddModule(name, module);

        public void AddUnnamed(Module module) => AddModule(module);

        public void AddWeights(string name, Shape shape, Initializer? initial = null) =>
            AddParameter(name, shape, initial);
    }
}
