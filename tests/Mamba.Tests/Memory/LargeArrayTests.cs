using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;

namespace Mamba.Tests.Memory;

/// <summary>
/// Arrays of more elements than an int counts; with MAMBA_TEST_LARGE=1, on machines with 20 GB of memory.
/// </summary>
public sealed class LargeArrayTests
{
    private const string Reason = "These need 20 GB of memory: set MAMBA_TEST_LARGE=1.";

    private static bool IsAsked => Environment.GetEnvironmentVariable("MAMBA_TEST_LARGE") == "1";

    [Theory]
    [InlineData(1_870_000_000)]
    [InlineData(1_900_000_000)]
    [InlineData(2_147_483_647)]
    public void A_gradient_has_as_many_elements_as_the_array(int width)
    {
        Assert.SkipUnless(IsAsked, Reason);
        using CpuDevice device = new();
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        DeviceArray x = device.Allocate([1, width]); // of which only pages that are touched take memory
        tape.Watch(x);

        DeviceArray gradient = tape.GradientOf(x);

        gradient.Slice(width - 3, 3).ToArray().Should().Equal(0, 0, 0);
        gradient.Slice(0, 3).ToArray().Should().Equal(0, 0, 0);
    }

    [Fact]
    public void More_elements_than_an_array_of_dotnet_holds_are_refused_with_its_limit()
    {
        using CpuDevice device = new(1);
        using DeviceScope scope = device.Scope();
        DeviceArray large = device.Allocate([70_000, 70_000]);

        large.Invoking(array => array.ToArray()).Should().Throw<NotSupportedException>()
            .WithMessage($"An array of .NET holds at most {Array.MaxLength} elements; [70000, 70000] has 4900000000*");
    }

    [Fact]
    public void A_state_of_more_than_two_gigabytes_an_array_is_saved_and_loaded()
    {
        Assert.SkipUnless(IsAsked, Reason);
        using CpuDevice device = new();
        LanguageModelConfig config = new()
        {
            VocabularySize = 2, Layers = [new MambaMixerOptions { ModelDim = 4, InnerDim = 1 << 15, ConvWidth = 2 }],
        };
        using MambaLanguageModel model = new(device, config, new Random(1));
        using ModelState state = model.CreateState(1030), loaded = model.CreateState(1030); // h: 2^29 elements and some
        DeviceArray hidden = state.Layers[0].Arrays[1];
        hidden.WriteElements(hidden.Shape.Count - 3, [5, 6, 7]);
        string path = Path.GetTempFileName();
        try
        {
            using (FileStream file = File.Create(path))
            {
                state.Save(file);
            }

            state.Dispose();
            using FileStream saved = File.OpenRead(path);
            loaded.Load(saved);
        }
        finally
        {
            File.Delete(path);
        }

        float[] last = new float[3];
        loaded.Layers[0].Arrays[1].ReadElements(hidden.Shape.Count - 3, last);
        last.Should().Equal(5, 6, 7);
    }
}
