using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Benchmarks.Problems;

/// <summary>Seeded random inputs.</summary>
internal static class Seeded
{
    public static DeviceArray Array(Device device, Shape shape, double low, double high, int seed = 1)
    {
        Random random = new(seed);
        float[] values = new float[shape.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (float)(low + ((high - low) * random.NextDouble()));
        }

        return device.Array(shape, values);
    }
}
