using Mamba.Gpu;
using Mamba.Memory;
using Mamba.Tests.Kernels;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Gpu;

/// <summary>The SSD of bfloat16 rows, whose products multiply bfloat16 and add up float32.</summary>
public sealed class SsdPrecisionTests
{
    // Factors have eight bits.
    private const double Tolerance = 2e-2;

    [Theory]
    [InlineData(5)]
    [InlineData(40)]
    public void Outputs_and_gradients_match_the_reference_to_eight_bits(int length)
    {
        SsdCase c = new()
        {
            Length = length, Heads = 2, HeadDim = 4, States = 6, HasZ = true, ChunkLength = length > 8 ? 16 : 0,
            Precision = Precision.BFloat16,
        };
        using GpuDevice device = TestDevice.OpenGpu();
        using ReferenceDevice reference = TestDevice.Reference();

        Dictionary<string, DeviceArray> actual = c.Run(device), expected = c.Run(reference);

        foreach ((string name, DeviceArray array) in actual)
        {
            array.ToArray().ShouldBeClose(ReferenceDevice.Exact(expected[name]), Tolerance, name);
        }
    }
}
