using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;

namespace Mamba.Tests.Models;

public sealed class PrefillMemoryTests
{
    [Fact]
    public void A_prompt_does_not_keep_the_output_of_every_layer()
    {
        const int Width = 32, Length = 512;
        long few = MemoryOf(2), many = MemoryOf(14);

        long outputs = 12L * Width * Length * sizeof(float);
        (many - few).Should().BeLessThan(outputs / 2, "twelve more layers leave their states, and no outputs");

        static long MemoryOf(int layers)
        {
            using Device device = TestDevice.OpenBare();
            MambaMixerOptions layer = new() { ModelDim = Width };
            using MambaLanguageModel model = new(
                device, new() { VocabularySize = 20, Layers = [.. Enumerable.Repeat(layer, layers)] }, new Random(1));
            using ModelState state = model.CreateState();
            long before = device.AllocatedBytes;
            model.Prefill(new int[Length], state, new float[20]);
            return device.AllocatedBytes - before;
        }
    }
}
