using CsCheck;
using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Training;
using Mamba.Optimization;

namespace Mamba.Tests.Memory;

/// <summary>Whatever is disposed in whatever order, nothing throws, and all memory comes back.</summary>
public sealed class DisposalTests
{
    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 20,
        Layers =
        [
            new MambaMixerOptions { ModelDim = 8, LearnableInitialState = true },
            new AttentionMixerOptions { ModelDim = 8, Heads = 2 },
        ],
    };

    [Fact]
    public void Any_order_throws_nothing_and_gives_all_memory_back() =>
        Gen.Shuffle(Enumerable.Range(0, 9).ToArray()).Sample(
            order =>
            {
                Device device = TestDevice.OpenBare();
                IDisposable[] all = [device, .. Everything(device)];
                foreach (int i in order)
                {
                    all[i].Dispose();
                    all[i].Dispose();
                }

                device.AllocatedBytes.Should().Be(0);
            },
            iter: 60);

    [Fact]
    public void Without_the_device_all_else_gives_its_memory_back()
    {
        using Device device = TestDevice.OpenBare();
        Array.ForEach([.. Everything(device)], owned => owned.Dispose()); // fills the pool of scopes
        long before = device.AllocatedBytes;

        Array.ForEach([.. Everything(device).Reverse()], owned => owned.Dispose());

        device.AllocatedBytes.Should().Be(before);
    }

    [Fact]
    public void What_has_ended_says_what_ended_it()
    {
        Device device = TestDevice.OpenBare();
        Linear linear = new(device, 2, 2, true, new Random(1)), other = new(device, 2, 2, true, new Random(1));
        DeviceArray scoped, weights = linear.Weight.Value;
        using (device.Scope())
        {
            scoped = device.Zeros([2]);
        }

        linear.Dispose();
        Read(scoped).Should().Throw<ObjectDisposedException>().WithMessage("The scope of this array has ended*Keep*");
        Read(weights)
            .Should().Throw<ObjectDisposedException>().WithMessage("This array has been freed: the layer*disposed*");
        device.Dispose();
        Read(other.Weight.Value)
            .Should().Throw<ObjectDisposedException>().WithMessage("The device of this array has been disposed*");
        Action[] uses =
        [
            () => device.Scope(),
            () => device.Zeros([2]), () => device.Indices([1]), () => new Linear(device, 2, 2, true, null).Dispose(),
            () => new Tape(device).Dispose(),
        ];
        uses.Should().AllSatisfy(
            use => use.Should().Throw<ObjectDisposedException>().WithMessage("The device*has been disposed*"));

        static Action Read(DeviceArray array) => () => array.ToArray();
    }

    [Fact]
    public void States_that_are_disposed_say_so_and_write_nothing()
    {
        using Device device = TestDevice.OpenBare();
        using MambaLanguageModel model = new(device, Config, new Random(1));
        ModelState state = model.CreateState(), other = model.CreateState();
        state.Dispose();
        float[] logits = new float[20];
        using MemoryStream stream = new();
        Action[] uses =
        [
            () => state.Save(stream), () => state.Clone(), () => state.CopyFrom(other), () => other.CopyFrom(state),
            () => other.CopySlot(0, state, 0), () => state.CopySlot(0, other, 0), () => state.Detach(),
            () => model.Step([1], state, logits),
            () => model.Prefill([1], state, logits), () => _ = state.Layers[0].Arrays,
        ];

        uses.Should().AllSatisfy(
            use => use.Should().Throw<ObjectDisposedException>().WithMessage("*State has been disposed*"));
        stream.Length.Should().Be(0);
        other.Dispose();
    }

    [Fact]
    public void An_optimiser_that_is_disposed_says_so()
    {
        using Device device = TestDevice.OpenBare();
        using Linear linear = new(device, 2, 2, true, new Random(1));
        AdamW optimizer = new(linear, new());
        optimizer.Dispose();

        optimizer.Invoking(o => o.Step())
            .Should().Throw<ObjectDisposedException>().WithMessage("This AdamW has been disposed*");
    }

    private static IEnumerable<IDisposable> Everything(Device device)
    {
        MambaLanguageModel model = new(device, Config, new Random(1));
        AdamW optimizer = new(model, new());
        Trainer trainer = new(model, optimizer, new() { Steps = 1, AverageDecay = 0.9 }, _ => model.Loss([1, 2, 3]));
        trainer.Run(cancellation: TestContext.Current.CancellationToken);
        ModelState state = model.CreateState(2);
        float[] logits = new float[40];
        model.Prefill([1, 2, 3, 4], state, logits);
        model.Step([1, 2], state, logits);
        LayerState layer = model.Blocks[0].Mixer.CreateState(3);
        return
        [
            model, optimizer, trainer, state, layer, state.Clone(), new MovingAverage(model, 0.5),
            new GradientBuckets(model),
        ];
    }
}
