using Mamba.Autograd;
using Mamba.Gpu;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Optimization;

namespace Mamba.Tests.Gpu;

/// <summary>What holds from run to run.</summary>
public sealed class GpuRunTests
{
    private static readonly int[] Ids = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3];

    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 16,
        VocabularyMultiple = 8,
        Layers =
        [
            new MambaMixerOptions { ModelDim = 12, StateDim = 4 },
            new Mamba2MixerOptions { ModelDim = 12, StateDim = 8, HeadDim = 6 },
        ],
    };

    [Fact]
    public void Training_gives_the_same_bits_every_time()
    {
        using GpuDevice device = TestDevice.OpenGpu();
        Assert.SkipWhen(device.Info.Kind == GpuKind.Emulation && !Thorough.IsAsked, Thorough.Reason);

        float[] first = Train(device), second = Train(device);

        second.ShouldHaveTheBitsOf(first, "the weights");
    }

    [Fact]
    public void Training_takes_no_memory_after_the_first_steps()
    {
        using GpuDevice device = TestDevice.OpenGpu();
        Assert.SkipWhen(device.Info.Kind == GpuKind.Emulation && !Thorough.IsAsked, Thorough.Reason);
        using MambaLanguageModel model = new(device, Config, new Random(5));
        using AdamW optimizer = new(model, new());
        Step(model, optimizer);
        Step(model, optimizer);
        (long allocated, long reserved) = (device.AllocatedBytes, device.ReservedBytes);

        for (int i = 0; i < 5; i++)
        {
            Step(model, optimizer);
        }

        (device.AllocatedBytes, device.ReservedBytes).Should().Be((allocated, reserved));
    }

    [Fact]
    public void Ten_thousand_steps_take_no_memory()
    {
        using GpuDevice device = TestDevice.OpenGpu();
        Assert.SkipUnless(device.Info.Kind == GpuKind.Cuda, "Only a GPU makes as many steps in a short time.");
        using MambaLanguageModel model = new(device, Config, new Random(5));
        using ModelState state = model.CreateState();
        float[] logits = new float[16];
        int[] id = [1];
        for (int i = 0; i < 3; i++)
        {
            model.Step(id, state, logits);
        }

        (long allocated, long reserved) = (device.AllocatedBytes, device.ReservedBytes);
        long managed = GC.GetAllocatedBytesForCurrentThread();

        for (int i = 0; i < 10_000; i++)
        {
            model.Step(id, state, logits);
        }

        GC.GetAllocatedBytesForCurrentThread().Should().Be(managed);
        (device.AllocatedBytes, device.ReservedBytes).Should().Be((allocated, reserved));
        logits.Should().OnlyContain(value => float.IsFinite(value));
    }

    private static float[] Train(GpuDevice device)
    {
        using MambaLanguageModel model = new(device, Config, new Random(5));
        using AdamW optimizer = new(model, new());
        for (int i = 0; i < 2; i++)
        {
            Step(model, optimizer);
        }

        return [.. model.Parameters.SelectMany(named => named.Parameter.Value.ToArray())];
    }

    private static void Step(MambaLanguageModel model, AdamW optimizer)
    {
        using DeviceScope scope = model.Device.Scope();
        using Tape tape = new(model.Device);
        model.ClearGradients();
        tape.Backward(model.Loss(Ids, batch: 2));
        optimizer.Step();
    }
}
